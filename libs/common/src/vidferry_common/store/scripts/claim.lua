-- A worker claims an attempt, which must be the one after the last.
-- KEYS: download; args: download_id, attempt, lease_ms, worker
-- Returns the ms since the attempt was due, then the record as field, value, …; {} where the attempt is stale.
local args = cjson.decode(ARGV[1])
local now, id, attempt = now_ms(), args.download_id, tostring(args.attempt)
local arq_id = id .. ':' .. attempt
local record = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker', 'due', 'site', 'caller', 'pause')
allow_writes(KEYS[1])
local again = record[1] == 'running' and record[2] == attempt and record[3] == args.worker -- the reply was lost
if not again then
  if record[1] ~= 'queued' or tonumber(record[2]) + 1 ~= args.attempt then return {} end
  redis.call('HSET', KEYS[1], 'status', 'running', 'attempt', attempt, 'worker', args.worker)
end
redis.call('ZADD', keys.LEASES, now + args.lease_ms, id)
local groups = groups_of(record[5], record[6])
hold_places(groups, id, now + args.lease_ms)
-- It may have been parked or held since it was picked, where its worker hung for longer than the pick was kept.
unpark(groups, arq_id)
if record[7] then
  define_pauses()
  if pauses.let_go(record[7], arq_id) then
    redis.call('HDEL', KEYS[1], 'pause')
    redis.call('ZADD', keys.QUEUE, keys.RUNNING_SCORE, arq_id)
  end
end
-- arq keeps the job on its queue until the attempt has ended; with this score it is behind all that wait.
redis.call('ZADD', keys.QUEUE, 'XX', keys.RUNNING_SCORE, arq_id)
local claimed = redis.call('HGETALL', KEYS[1])
claimed[#claimed + 1] = 'known_object'
claimed[#claimed + 1] = redis.call('GET', redis.call('HGET', KEYS[1], 'object_by_url')) or ''
table.insert(claimed, 1, math.max(0, now - record[4]))
return claimed
