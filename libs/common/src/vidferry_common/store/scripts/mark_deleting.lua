-- The leader may delete objects, but none that is being handed out: each of these is pinned for a while.
-- KEYS: leader, pinned, deleting; ARGV: worker, ms after which a mark is none any more, objects
-- Returns those that may be deleted now, or false where another worker leads.
if redis.call('HGET', KEYS[1], 'worker') ~= ARGV[1] then return false end
local now, found = now_ms(), {}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
for i = 3, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[i])
    found[#found + 1] = ARGV[i]
  end
end
if #found > 0 then redis.call('PEXPIRE', KEYS[3], ARGV[2]) end
return found
