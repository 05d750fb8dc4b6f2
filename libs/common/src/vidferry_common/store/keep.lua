-- One worker at a time keeps house, and learns which leases have ended.
-- A gap in the keeping is an outage: until a lease has passed since, those who hold one may renew it.
-- KEYS: keeper; ARGV: worker, ms after which a silent keeper is replaced, ms that are a gap, lease ms, most ids
-- Returns false where another worker keeps house, else the ids of the downloads whose lease has ended.
local now = now_ms()
admit(KEYS[1])
local record = redis.call('HMGET', KEYS[1], 'worker', 'seen', 'reap_from')
local silent = now - (record[2] or now)
if record[1] and record[1] ~= ARGV[1] and silent < tonumber(ARGV[2]) then return false end
local reap_from = silent > tonumber(ARGV[3]) and now + ARGV[4] or record[3] or now
redis.call('HSET', KEYS[1], 'worker', ARGV[1], 'seen', now, 'reap_from', reap_from)
if now < tonumber(reap_from) then return {} end
return redis.call('ZRANGEBYSCORE', 'vidferry:leases', '-inf', now, 'LIMIT', 0, ARGV[5])
