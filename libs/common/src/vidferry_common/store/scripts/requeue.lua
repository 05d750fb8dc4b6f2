-- Puts a running download back on the queue for its next attempt.
-- KEYS: download; ARGV: download id, attempt, cause (retries | worker_losses | ''), delay ms, body, record seconds,
--                       next arq id, payload, arq ms, limit of the cause, body of the failure at the limit
-- A worker loss is handled only after the lease has ended. The cause's counter is raised; where it would pass the limit
-- the download ends with the failure instead. Returns requeued | ended | stale.
if not holds(KEYS[1], ARGV[2]) then
  -- A lease without a running download would be found for ever, before all others.
  if ARGV[3] == 'worker_losses' and redis.call('HGET', KEYS[1], 'status') ~= 'running' then
    redis.call('ZREM', keys.LEASES, ARGV[1])
  end
  return 'stale'
end
if ARGV[3] == 'worker_losses' then
  local lease = redis.call('ZSCORE', keys.LEASES, ARGV[1])
  if lease and tonumber(lease) > now_ms() then return 'stale' end
end
admit(KEYS[1])
if ARGV[3] ~= '' and redis.call('HINCRBY', KEYS[1], ARGV[3], 1) > tonumber(ARGV[10]) then
  end_download(KEYS[1], ARGV[1], ARGV[2], ARGV[11], facts_of(KEYS[1], {}), nil, ARGV[6])
  return 'ended'
end
leave(KEYS[1], ARGV[1], ARGV[1] .. ':' .. ARGV[2])
deliver_to_all(KEYS[1], ARGV[5], false, ARGV[6])
expire(KEYS[1], ARGV[6])
-- What did not fail keeps its place before those who came later.
local due = now_ms() + ARGV[4]
local record = redis.call('HMGET', KEYS[1], 'queued_since', 'head_start')
local queued_since = ARGV[4] == '0' and record[1] or due
redis.call('HSET', KEYS[1], 'status', 'queued', 'due', due, 'queued_since', queued_since)
enqueue(ARGV[7], ARGV[8], due, queued_since - record[2], ARGV[9])
return 'requeued'
