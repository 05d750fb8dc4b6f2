-- One POST: a job, attached to the download that runs for its address and format, or to a new one on the queue.
-- KEYS: job, address index, idempotency ('' without a key), new download
-- ARGV: job id, download id, epoch, owner, url, format, root, traceparent, created, queued body,
--       fingerprint, idempotency seconds, queue cap, record seconds, arq id, arq payload, arq milliseconds,
--       cap of a download's jobs, seen key, site, priority, head start ms, force ('1' or ''), retry of,
--       caller, requests a minute of one caller (0: any number), bytes of the job and of the download, cap of all bytes
-- Returns {outcome, ms until the caller's minute is whole again, job id, newest message}:
-- created | attached | replayed | mismatch | full | no_memory | over_rate.
local job_id, download_id, ttl = ARGV[1], ARGV[2], ARGV[14]

-- One request of a caller: the ms until the minute that it has is whole again, more than MINUTE_MS where it is spent.
-- GCRA: a caller is known by one number, and by none once that is past; of too many the least spent are forgotten.
local MINUTE_MS, MAX_CALLERS = 60000, 100000
local function spend(caller, rate)
  local now = now_ms()
  local spent = math.max(0, (redis.call('ZSCORE', 'vidferry:callers', caller) or 0) - now) + MINUTE_MS / rate
  if spent > MINUTE_MS then return math.ceil(spent) end
  redis.call('ZADD', 'vidferry:callers', now + spent, caller)
  local first = redis.call('ZRANGE', 'vidferry:callers', 0, 1, 'WITHSCORES')
  local full = redis.call('ZCARD', 'vidferry:callers') > MAX_CALLERS
  for i = 1, #first, 2 do
    if full or tonumber(first[i + 1]) < now then redis.call('ZREM', 'vidferry:callers', first[i]) end
  end
  return math.ceil(spent)
end

-- The same script again, after its reply was lost.
local made = redis.call('HMGET', KEYS[1], 'download', 'state')
if made[1] then return { made[1] == download_id and 'created' or 'attached', 0, job_id, made[2] } end

local share, open = look()
if share >= EVICTED then
  make_room(16, share)
  share = measure()
end

local spent = 0
if ARGV[26] ~= '0' and share < REFUSED then
  spent = spend(ARGV[25], ARGV[26])
  if spent > MINUTE_MS then return { 'over_rate', spent } end
end

if KEYS[3] ~= '' then
  local known = redis.call('HMGET', KEYS[3], 'fingerprint', 'job')
  if known[1] then
    if known[1] ~= ARGV[11] then return { 'mismatch', spent } end
    return { 'replayed', spent, known[2], redis.call('HGET', 'vidferry:job:' .. known[2], 'state') }
  end
end
if share >= REFUSED then return { 'no_memory', spent } end

local outcome, bytes = 'attached', tonumber(ARGV[27])
local running = redis.call('GET', KEYS[2])
local download = running and download_key(running)
if not running or redis.call('HGET', download, 'status') == 'ended' or redis.call('EXISTS', download) == 0 then
  outcome, running, download, bytes = 'created', download_id, KEYS[4], bytes + ARGV[28]
  local waiting = redis.call('ZCARD', 'arq:queue')
  -- What records that expired while they waited had taken is told off here.
  local is_idle = waiting == 0 and redis.call('ZCARD', 'vidferry:leases') == 0
  if is_idle then open = 0 end
  if waiting >= tonumber(ARGV[13]) or open + bytes > tonumber(ARGV[29]) then return { 'full', spent } end
  if is_idle then redis.call('HDEL', 'vidferry:room', 'open') end
  redis.call('HSET', download, 'v', 1, 'url', ARGV[5], 'format', ARGV[6], 'address', KEYS[2], 'seen', ARGV[19],
    'site', ARGV[20], 'caller', ARGV[25], 'head_start', ARGV[22], 'force', ARGV[23], 'attempt', 0, 'retries', 0, 'deaths', 0,
    'created', ARGV[9], 'traceparent', ARGV[8], 'body', ARGV[10])
  redis.call('SET', KEYS[2], running, 'EX', ttl)
  enqueue(download, ARGV[15], ARGV[16], now_ms(), now_ms(), ARGV[17])
elseif open + bytes > tonumber(ARGV[29]) then
  return { 'full', spent }
end

if redis.call('SCARD', download .. ':jobs') >= tonumber(ARGV[18]) then return { 'full', spent } end

redis.call('HSET', KEYS[1], 'v', 1, 'epoch', ARGV[3], 'owner', ARGV[4], 'url', ARGV[5], 'format', ARGV[6],
  'root', ARGV[7], 'traceparent', ARGV[8], 'created', ARGV[9], 'download', running, 'seq', 0,
  'priority', ARGV[21], 'force', ARGV[23], 'retry_of', ARGV[24], 'bytes', ARGV[27], 'idempotency', KEYS[3])
occupy(download, bytes)
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('SADD', download .. ':jobs', job_id)
expire(download, ttl)
if KEYS[3] ~= '' then
  redis.call('HSET', KEYS[3], 'fingerprint', ARGV[11], 'job', job_id)
  redis.call('EXPIRE', KEYS[3], math.min(tonumber(ARGV[12]), tonumber(ttl)))
end
hasten(download, running, ARGV[22])
catch_up(job_id, download, ttl)
return { outcome, spent, job_id, redis.call('HGET', KEYS[1], 'state') }
