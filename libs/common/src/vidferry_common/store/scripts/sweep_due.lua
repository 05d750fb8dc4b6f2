-- When the bucket is to be swept next. Only the leader sweeps; the next leader knows when the last one ended.
-- KEYS: leader; ARGV: worker, ms between two sweeps, '1' where the worker has just ended one
-- Returns the ms until then, or false where another worker leads.
if redis.call('HGET', KEYS[1], 'worker') ~= ARGV[1] then return false end
local now = now_ms()
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'swept', now) end
local swept = redis.call('HGET', KEYS[1], 'swept')
return swept and math.max(0, swept + ARGV[2] - now) or 0
