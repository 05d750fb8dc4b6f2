-- How much is on the queue. arq's job of a running download stays on it, so what runs is told by the leases.
-- ARGV: the most members to look at for the oldest
-- Returns {waiting, deferred, running, ms since the longest waiting was due}.
local now = now_ms()
local due = redis.call('ZCOUNT', 'arq:queue', '-inf', now)
local deferred = redis.call('ZCARD', 'arq:queue') - due
local running = redis.call('ZCARD', 'vidferry:leases')
local waiting, oldest = math.max(0, due - running), 0
if waiting > 0 then
  -- At most as many run as have a lease: among one more there is one that waits.
  local last = math.min(running, tonumber(ARGV[1]) - 1)
  local members = redis.call('ZRANGE', 'arq:queue', 0, last, 'WITHSCORES')
  for i = 1, #members, 2 do
    local download_id = string.match(members[i], '^(.*):%d+$')
    if download_id and not redis.call('ZSCORE', 'vidferry:leases', download_id) then
      oldest = math.max(0, now - tonumber(members[i + 1]))
      break
    end
  end
end
return { waiting, deferred, running, oldest }
