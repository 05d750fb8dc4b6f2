-- Renews leases whose attempt is the current one, also expired ones that no other worker has claimed.
-- args: lease_ms, attempts (by download id)
-- Returns the ids of the downloads that this worker has lost.
local args = cjson.decode(ARGV[1])
allow_writes(keys.ROOM)
local lost, until_ms = {}, now_ms() + args.lease_ms
for download_id, attempt in pairs(args.attempts) do
  local download = download_key(download_id)
  if holds_fence(download, tostring(attempt)) then
    redis.call('ZADD', keys.LEASES, until_ms, download_id)
    local record = redis.call('HMGET', download, 'site', 'caller')
    hold_places(groups_of(record[1], record[2]), download_id, until_ms)
  else
    lost[#lost + 1] = download_id
  end
end
return lost
