-- A worker takes an attempt: it must be the one that follows the last.
-- KEYS: download; ARGV: download id, attempt, lease ms, worker
-- Returns the ms since the attempt was due, then the record as field, value, …; {} where the attempt is stale.
local record = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if record[1] ~= 'queued' or tonumber(record[2]) + 1 ~= tonumber(ARGV[2]) then return {} end
redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', ARGV[2], 'worker', ARGV[4])
redis.call('ZADD', 'vidferry:leases', now_ms() + ARGV[3], ARGV[1])
-- arq keeps its job on the queue, under the time it was due, until the attempt has ended.
local due = redis.call('ZSCORE', 'arq:queue', ARGV[1] .. ':' .. ARGV[2])
local claimed = redis.call('HGETALL', KEYS[1])
table.insert(claimed, 1, due and math.max(0, now_ms() - tonumber(due)) or 0)
return claimed
