-- A worker takes an attempt: it must be the one that follows the last.
-- KEYS: download; ARGV: download id, attempt, lease ms, worker
-- Returns the record as {field, value, …}, or {} where the attempt is stale.
local record = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if record[1] ~= 'queued' or tonumber(record[2]) + 1 ~= tonumber(ARGV[2]) then return {} end
redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', ARGV[2], 'worker', ARGV[4])
redis.call('ZADD', 'vidferry:leases', now_ms() + ARGV[3], ARGV[1])
return redis.call('HGETALL', KEYS[1])
