-- One POST: a job, attached to the download that runs for its address and format, or to a new one on the queue.
-- KEYS: job, address index, idempotency ('' without a key), new download
-- ARGV: job id, download id, epoch, owner, url, format, root, traceparent, created, queued body,
--       fingerprint, idempotency seconds, queue cap, record seconds, arq id, arq payload, arq milliseconds,
--       cap of a download's jobs, seen key, site, priority, head start ms, force ('1' or ''), retry of,
--       caller
-- Returns {outcome, job id, newest message}: created | attached | replayed | mismatch | full.
local job_id, download_id, ttl = ARGV[1], ARGV[2], ARGV[14]

-- The same script again, after its reply was lost.
local made = redis.call('HMGET', KEYS[1], 'download', 'state')
if made[1] then return { made[1] == download_id and 'created' or 'attached', job_id, made[2] } end

if KEYS[3] ~= '' then
  local known = redis.call('HMGET', KEYS[3], 'fingerprint', 'job')
  if known[1] then
    if known[1] ~= ARGV[11] then return { 'mismatch' } end
    return { 'replayed', known[2], redis.call('HGET', 'vidferry:job:' .. known[2], 'state') }
  end
end

local outcome = 'attached'
local running = redis.call('GET', KEYS[2])
local download = running and download_key(running)
if not running or redis.call('HGET', download, 'status') == 'ended' or redis.call('EXISTS', download) == 0 then
  if redis.call('ZCARD', 'arq:queue') >= tonumber(ARGV[13]) then return { 'full' } end
  outcome, running, download = 'created', download_id, KEYS[4]
  redis.call('HSET', download, 'v', 1, 'url', ARGV[5], 'format', ARGV[6], 'address', KEYS[2], 'seen', ARGV[19],
    'site', ARGV[20], 'caller', ARGV[25], 'head_start', ARGV[22], 'force', ARGV[23], 'attempt', 0, 'retries', 0, 'deaths', 0,
    'created', ARGV[9], 'traceparent', ARGV[8], 'body', ARGV[10])
  redis.call('SET', KEYS[2], running, 'EX', ttl)
  enqueue(download, ARGV[15], ARGV[16], now_ms(), now_ms(), ARGV[17])
end

if redis.call('SCARD', download .. ':jobs') >= tonumber(ARGV[18]) then return { 'full' } end

redis.call('HSET', KEYS[1], 'v', 1, 'epoch', ARGV[3], 'owner', ARGV[4], 'url', ARGV[5], 'format', ARGV[6],
  'root', ARGV[7], 'traceparent', ARGV[8], 'created', ARGV[9], 'download', running, 'seq', 0,
  'priority', ARGV[21], 'force', ARGV[23], 'retry_of', ARGV[24])
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('SADD', download .. ':jobs', job_id)
expire(download, ttl)
if KEYS[3] ~= '' then
  redis.call('HSET', KEYS[3], 'fingerprint', ARGV[11], 'job', job_id)
  redis.call('EXPIRE', KEYS[3], ARGV[12])
end
hasten(download, running, ARGV[22])
catch_up(job_id, download, ttl)
return { outcome, job_id, redis.call('HGET', KEYS[1], 'state') }
