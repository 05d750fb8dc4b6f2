-- When the bucket is to be swept next. Only the leader sweeps; a new leader finds here when the last sweep ended.
-- KEYS: leader; args: worker, interval_ms (between two sweeps), ended (whether the worker has just ended one)
-- Returns the ms until then, or false where another worker leads.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
if redis.call('HGET', KEYS[1], 'worker') ~= args.worker then return false end
local now = now_ms()
if args.ended then redis.call('HSET', KEYS[1], 'swept', now) end
local swept = redis.call('HGET', KEYS[1], 'swept')
return swept and math.max(0, swept + args.interval_ms - now) or 0
