-- Marks objects that the leader is about to delete. Pinned ones, which are being handed out, are left out.
-- KEYS: leader, pinned, deleting; args: worker, ms (after which a mark expires), objects
-- Returns those that may be deleted now, or false where another worker leads.
local args = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[1], 'worker') ~= args.worker then return false end
local now, found = now_ms(), {}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
for _, object in ipairs(args.objects) do
  if not redis.call('ZSCORE', KEYS[2], object) then
    redis.call('ZADD', KEYS[3], now + args.ms, object)
    found[#found + 1] = object
  end
end
if #found > 0 then redis.call('PEXPIRE', KEYS[3], args.ms) end
return found
