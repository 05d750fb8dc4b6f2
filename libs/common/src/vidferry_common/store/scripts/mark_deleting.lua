-- Marks objects that are about to be deleted: nobody hands them out from here on. Pinned ones, which are being handed out,
-- are left out, unless somebody asked for the deletion: then the pins go, and what was about to hand them out finds that.
-- KEYS: leader, pinned, deleting; args: worker ('' where it need not lead), ms (after which a mark expires), objects,
--       pinned_too
-- Returns those that may be deleted now, or false where another worker leads.
local args = cjson.decode(ARGV[1])
if args.worker ~= '' and redis.call('HGET', KEYS[1], 'worker') ~= args.worker then return false end
local now, found = now_ms(), {}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
for _, object in ipairs(args.objects) do
  if args.pinned_too then redis.call('ZREM', KEYS[2], object) end
  if not redis.call('ZSCORE', KEYS[2], object) then
    redis.call('ZADD', KEYS[3], now + args.ms, object)
    found[#found + 1] = object
  end
end
if #found > 0 then redis.call('PEXPIRE', KEYS[3], args.ms) end
return found
