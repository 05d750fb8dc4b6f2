-- A worker tells what it runs. Reports that have expired go, and of too many the one that would expire first.
-- KEYS: reporting workers; args: worker, report, keep_ms, most (workers)
local args = cjson.decode(ARGV[1])
local now = now_ms()
allow_writes(keys.WORKER_VERSIONS)
redis.call('ZADD', KEYS[1], now + args.keep_ms, args.worker)
redis.call('HSET', keys.WORKER_VERSIONS, args.worker, args.report)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)
local too_many = redis.call('ZCARD', KEYS[1]) - #gone - args.most
if too_many > 0 then gone = redis.call('ZRANGE', KEYS[1], 0, #gone + too_many - 1) end
for _, worker in ipairs(gone) do
  redis.call('ZREM', KEYS[1], worker)
  redis.call('HDEL', keys.WORKER_VERSIONS, worker)
end
for _, key in ipairs({ KEYS[1], keys.WORKER_VERSIONS }) do redis.call('PEXPIRE', key, args.keep_ms) end
