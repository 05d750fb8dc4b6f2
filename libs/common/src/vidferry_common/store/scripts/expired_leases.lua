-- One worker at a time leads, and is told which leases have expired.
-- A time without a leader was an outage: for the length of one lease, holders may renew theirs before any counts as expired.
-- Each worker tells its number of slots, so that the leader's record has the sum.
-- KEYS: leader; args: worker, silence_ms (after which a silent leader is replaced), gap_ms, lease_ms, most (ids),
--       slots (0: it takes no more downloads)
-- Returns false where another worker leads, else the ids of the downloads whose lease has expired.
local args = cjson.decode(ARGV[1])
local now, slots = now_ms(), 0
allow_writes(KEYS[1])
if args.slots > 0 then redis.call('ZADD', keys.WORKERS, now + args.lease_ms, args.slots .. ':' .. args.worker) end
redis.call('ZREMRANGEBYSCORE', keys.WORKERS, '-inf', now)
for _, worker in ipairs(redis.call('ZRANGE', keys.WORKERS, 0, -1)) do
  slots = slots + string.match(worker, '^%d+')
end
redis.call('PEXPIRE', keys.WORKERS, args.lease_ms)
redis.call('HSET', KEYS[1], 'slots', slots)
local record = redis.call('HMGET', KEYS[1], 'worker', 'last_seen', 'reap_from')
local silent = now - (record[2] or now)
if record[1] and record[1] ~= args.worker and silent < args.silence_ms then return false end
local reap_from = silent > args.gap_ms and now + args.lease_ms or record[3] or now
redis.call('HSET', KEYS[1], 'worker', args.worker, 'last_seen', now, 'reap_from', reap_from)
if now < tonumber(reap_from) then return {} end
return redis.call('ZRANGEBYSCORE', keys.LEASES, '-inf', now, 'LIMIT', 0, args.most)
