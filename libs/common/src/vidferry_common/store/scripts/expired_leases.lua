-- One worker at a time leads, and learns which leases have ended.
-- A time without a leader is an outage: until a lease has passed since, those who hold one may renew it.
-- Each says how many slots it has, so that the record tells how many there are.
-- KEYS: leader; ARGV: worker, ms after which a silent leader is replaced, ms that are a gap, lease ms, most ids,
--       slots (0: it takes nothing any more)
-- Returns false where another worker leads, else the ids of the downloads whose lease has ended.
local now, slots = now_ms(), 0
admit(KEYS[1])
if ARGV[6] ~= '0' then redis.call('ZADD', keys.WORKERS, now + ARGV[4], ARGV[6] .. ':' .. ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', keys.WORKERS, '-inf', now)
for _, worker in ipairs(redis.call('ZRANGE', keys.WORKERS, 0, -1)) do
  slots = slots + string.match(worker, '^%d+')
end
redis.call('PEXPIRE', keys.WORKERS, ARGV[4])
redis.call('HSET', KEYS[1], 'slots', slots)
local record = redis.call('HMGET', KEYS[1], 'worker', 'last_seen', 'reap_from')
local silent = now - (record[2] or now)
if record[1] and record[1] ~= ARGV[1] and silent < tonumber(ARGV[2]) then return false end
local reap_from = silent > tonumber(ARGV[3]) and now + ARGV[4] or record[3] or now
redis.call('HSET', KEYS[1], 'worker', ARGV[1], 'last_seen', now, 'reap_from', reap_from)
if now < tonumber(reap_from) then return {} end
return redis.call('ZRANGEBYSCORE', keys.LEASES, '-inf', now, 'LIMIT', 0, ARGV[5])
