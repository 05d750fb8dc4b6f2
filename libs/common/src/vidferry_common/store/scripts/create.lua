-- One POST: a job, attached to the download that runs for its URL and format, or to a new one on the queue.
-- KEYS: job, download by URL, idempotency ('' without a key), new download, the requests of its caller
-- ARGV: job id, download id, epoch, url, format, public root, traceparent, created, queued body, request,
--       idempotency seconds, queue cap, record seconds, arq id, arq payload, arq milliseconds,
--       cap of a download's jobs, object by URL, site, head start ms, force ('1' or ''),
--       caller, requests a minute of one caller (0: any number), bytes of the job and of the download, cap of all bytes
-- Returns {outcome, ms until the caller's minute is whole again, job id, newest message}:
-- created | attached | replayed | mismatch | full | no_memory | over_rate.
local job_id, download_id, request, ttl, caller, rate = ARGV[1], ARGV[2], ARGV[10], ARGV[13], ARGV[22], ARGV[23]
local now = now_ms()

-- One request of a caller: the ms until the minute that it has is whole again, more than MINUTE_MS where it is spent.
-- GCRA: a caller is known by one number, which expires once it is past.
local MINUTE_MS = 60000
local function spend()
  local spent = math.max(0, (redis.call('GET', KEYS[5]) or 0) - now) + MINUTE_MS / rate
  if spent <= MINUTE_MS then redis.call('SET', KEYS[5], now + spent, 'PX', math.ceil(spent)) end
  return math.ceil(spent)
end

-- The same script again, after its reply was lost.
local made = redis.call('HGET', KEYS[1], 'state')
if made then return { redis.call('EXISTS', KEYS[4]) == 1 and 'created' or 'attached', 0, job_id, made } end

local share, open = look()
if share >= EVICTED then
  make_room(16, share, redis.call('LLEN', keys.ENDED), redis.call('HGET', keys.ROOM, 'ended') or 0)
  share = measure()
end

local spent = 0
if rate ~= '0' and share < REFUSED then
  spent = spend()
  if spent > MINUTE_MS then return { 'over_rate', spent } end
end

if KEYS[3] ~= '' then
  local known = redis.call('GET', KEYS[3])
  if known then
    local record = redis.call('HMGET', keys.JOB .. known, 'request', 'state')
    if record[1] and record[1] ~= request then return { 'mismatch', spent } end
    return { 'replayed', spent, known, record[2] }
  end
end
if share >= REFUSED then return { 'no_memory', spent } end

local running = redis.call('GET', KEYS[2])
local status = running and redis.call('HGET', download_key(running), 'status')
local attached = status and status ~= 'ended'
local download = attached and download_key(running) or KEYS[4]
local bytes = attached and ARGV[24] or ARGV[24] + ARGV[25]
local waiting = not attached and redis.call('ZCARD', keys.QUEUE)
if waiting == 0 and open > 0 and redis.call('ZCARD', keys.LEASES) == 0 then
  redis.call('HDEL', keys.ROOM, 'open') -- of records that expired while they waited
  open = 0
end
if open + bytes > tonumber(ARGV[26]) or not attached and waiting >= tonumber(ARGV[12])
  or attached and redis.call('SCARD', download .. keys.JOBS) >= tonumber(ARGV[17]) then
  return { 'full', spent }
end

local job = { 'epoch', ARGV[3], 'request', request, 'public_root', ARGV[6], 'traceparent', ARGV[7], 'created', ARGV[8],
  'download', attached and running or download_id, 'bytes', ARGV[24], 'idempotency', KEYS[3] }
local message
if attached then
  redis.call('HSET', KEYS[1], 'seq', 0, unpack(job))
  redis.call('HINCRBY', download, 'bytes', bytes)
  hasten(download, running, ARGV[20])
  catch_up(job_id, download, ttl)
  message = redis.call('HGET', KEYS[1], 'state')
else
  message = compose(job_id, { ARGV[3], ARGV[7], ARGV[6], 0 }, ARGV[9], false)
  redis.call('HSET', KEYS[1], 'seq', 1, 'state', message, unpack(job))
  redis.call('HSET', download, 'v', 1, 'url', ARGV[4], 'format', ARGV[5], 'download_by_url', KEYS[2], 'object_by_url', ARGV[18],
    'site', ARGV[19], 'caller', caller, 'head_start', ARGV[20], 'force', ARGV[21], 'attempt', 0, 'retries', 0, 'worker_losses', 0,
    'created', ARGV[8], 'traceparent', ARGV[7], 'body', ARGV[9], 'status', 'queued', 'due', now, 'queued_since', now, 'bytes', bytes)
  redis.call('SET', KEYS[2], download_id, 'EX', ttl)
  enqueue(ARGV[14], ARGV[15], now, now - ARGV[20], ARGV[16])
end
occupy(bytes)
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('SADD', download .. keys.JOBS, job_id)
expire(download, ttl)
if KEYS[3] ~= '' then redis.call('SET', KEYS[3], job_id, 'EX', math.min(ARGV[11], ttl)) end
return { attached and 'attached' or 'created', spent, job_id, message }
