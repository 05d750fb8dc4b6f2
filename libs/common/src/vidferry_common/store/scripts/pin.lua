-- Pins an object that is about to be handed out: retention does not delete it for a while.
-- KEYS: pinned, deleting; args: object, ms
-- Returns false where it is being deleted at this moment.
local args = cjson.decode(ARGV[1])
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if redis.call('ZSCORE', KEYS[2], args.object) then return false end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + args.ms, args.object)
redis.call('PEXPIRE', KEYS[1], args.ms)
return 1
