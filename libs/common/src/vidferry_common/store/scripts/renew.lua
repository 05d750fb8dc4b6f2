-- Renews leases under their fences, an expired one too where nobody has claimed it.
-- ARGV: lease ms, then download id, attempt for each
-- Returns the ids of the downloads that are not the caller's any more.
admit(keys.ROOM)
local lost, until_ms = {}, now_ms() + ARGV[1]
for i = 2, #ARGV, 2 do
  local download = download_key(ARGV[i])
  if holds(download, ARGV[i + 1]) then
    redis.call('ZADD', keys.LEASES, until_ms, ARGV[i])
    local record = redis.call('HMGET', download, 'site', 'caller')
    hold_places(groups_of(record[1], record[2]), ARGV[i], until_ms)
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
