-- Creates a job, attached to the download that runs for its URL and format, or to a new one on the queue.
-- KEYS: job, download by URL, idempotency ('' without a key), new download, the requests of its caller
-- args: job (id, epoch, owner, waiting_limit and bytes_limit of the owner, 0: none; request, document, site, public_root,
--       bytes, created_ms, by_external_id ('' without one), webhook ('' without one)),
--       download (id, url, format, object_by_url, fields (further ones of its record: field, value, …), site, caller,
--       head_start, force, bytes), traceparent, created, body (of one that is queued), record_seconds, idempotency_seconds,
--       arq (id, payload, ms), queue_cap, queue_bytes, max_jobs (of one download), caller_rate (requests a minute, 0: any
--       number)
-- Returns {outcome, ms until all requests of the caller's minute are available again, job id, newest message, created}:
-- created | attached | replayed | mismatch | full | no_memory | over_rate | jobs_waiting (the owner's limit) |
-- bytes_per_day (then the third is the ms until the next day) | events_waiting (for the receivers of its owner).
local args = cjson.decode(ARGV[1])
local new_job, new_download = args.job, args.download
local job_id, request, ttl, rate = new_job.id, new_job.request, args.record_seconds, args.caller_rate
local now = now_ms()

-- Counts one request of a caller. Returns the ms until all requests of its minute are available again; more than MINUTE_MS
-- where none was left. GCRA: a caller's state is one time, which expires once it is past.
local MINUTE_MS = 60000
local function count_request()
  local spent = math.max(0, (redis.call('GET', KEYS[5]) or 0) - now) + MINUTE_MS / rate
  if spent <= MINUTE_MS then redis.call('SET', KEYS[5], now + spent, 'PX', math.ceil(spent)) end
  return math.ceil(spent)
end

-- Adds the job to an index. Records expire by themselves, so each new id looks at two others, any of them, and drops those
-- whose record is gone, or lacks the field. So at most some half of the ids are of such records.
local function add_to_index(index, field)
  for _, other in ipairs(redis.call('ZRANDMEMBER', index, 2)) do
    if redis.call('HEXISTS', keys.JOB .. other, field) == 0 then redis.call('ZREM', index, other) end
  end
  redis.call('ZADD', index, new_job.created_ms, job_id)
  redis.call('EXPIRE', index, 2 * ttl) -- a job's steps, and its end, renew the expiry of its record
end

-- The jobs of an owner that have not ended, less the downloads that it began and that run. A job that follows the download
-- of another owner waits until that ends. A record that expires by itself, or is ended by an older release, leaves its id
-- behind: where there are too many, some hundred of them are looked at.
local function count_waiting(owner, caller, most)
  local open_jobs = keys.OPEN_JOBS .. owner
  local running = redis.call('ZCOUNT', keys.CALLER .. caller, now, '+inf')
  if redis.call('ZCARD', open_jobs) - running >= most then
    for _, job_id in ipairs(redis.call('ZRANDMEMBER', open_jobs, 100)) do
      if redis.call('HEXISTS', keys.JOB .. job_id, 'download') == 0 then redis.call('ZREM', open_jobs, job_id) end
    end
  end
  return redis.call('ZCARD', open_jobs) - running
end

-- The bytes that were uploaded for an owner today, and the ms until midnight (UTC).
local function bytes_of_day(owner)
  return tonumber(redis.call('GET', day_key(owner)) or 0), DAY_MS - now % DAY_MS
end

-- A caller of whom nothing waits or runs has joined a download that waits for the turn of another caller: it goes on in
-- the turn of the one who joined, who would otherwise wait for all that the other asked for before. It counts for that one
-- from here on.
local function give_turn(download, download_id)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'site', 'caller', 'head_start')
  local groups = groups_of(record[3], new_download.caller)
  if record[1] ~= 'queued' or not groups[2] or (record[4] or '') == '' or record[4] == new_download.caller then return end
  local arq_id = download_id .. ':' .. (record[2] + 1)
  if tonumber(redis.call('ZSCORE', keys.QUEUE, arq_id) or nil) ~= keys.PARKED_SCORE then return end
  if redis.call('EXISTS', groups[2], groups[2] .. keys.PARKED) > 0 then return end
  if ready_order(redis.call('HGET', groups[2] .. keys.TURN, 'ready')) then return end
  unpark(groups_of(record[3], record[4]), arq_id)
  redis.call('HDEL', download, 'owner', 'jobs_running')
  redis.call('HSET', download, 'caller', new_download.caller, 'queued_since', now, unpack(new_download.fields))
  line_up(groups, arq_id, now, record[5])
end

-- The same script again, after its reply was lost.
local made = redis.call('HGET', KEYS[1], 'state')
if made then return { redis.call('EXISTS', KEYS[4]) == 1 and 'created' or 'attached', 0, job_id, made, args.created } end

local share, open, undelivered = look_at_memory()
if share >= EVICTED then
  make_room(16, share, redis.call('LLEN', keys.ENDED), redis.call('HGET', keys.ROOM, 'ended') or 0)
  share = measure_memory()
end

local spent = 0
if rate > 0 and share < REFUSED then
  spent = count_request()
  if spent > MINUTE_MS then return { 'over_rate', spent } end
end

if KEYS[3] ~= '' then
  local known = redis.call('GET', KEYS[3])
  if known then
    local record = redis.call('HMGET', keys.JOB .. known, 'request', 'state', 'created')
    if record[1] and record[1] ~= request then return { 'mismatch', spent } end
    return { 'replayed', spent, known, record[2], record[3] }
  end
end
if share >= REFUSED then return { 'no_memory', spent } end

local owner = new_job.owner
if new_job.waiting_limit > 0 and count_waiting(owner, new_download.caller, new_job.waiting_limit) >= new_job.waiting_limit then
  return { 'jobs_waiting', spent }
end
if new_job.bytes_limit > 0 then
  local used, left_ms = bytes_of_day(owner)
  if used >= new_job.bytes_limit then return { 'bytes_per_day', spent, math.ceil(left_ms) } end
end

local running = redis.call('GET', KEYS[2])
local status = running and redis.call('HGET', download_key(running), 'status')
local attached = status and status ~= 'ended'
local download = attached and download_key(running) or KEYS[4]
local bytes = attached and new_job.bytes or new_job.bytes + new_download.bytes
local waiting = not attached and redis.call('ZCARD', keys.QUEUE)
if waiting == 0 and open > 0 and redis.call('ZCARD', keys.LEASES) == 0 then
  redis.call('HDEL', keys.ROOM, 'open') -- bytes of records that expired while they waited
  open = 0
end
if undelivered > 0 and redis.call('EXISTS', keys.DELIVERIES) == 0 then
  redis.call('HDEL', keys.ROOM, 'undelivered') -- bytes of events that Redis has lost
  redis.call('DEL', keys.UNDELIVERED_BYTES)
  undelivered = 0
end
-- Events of one owner may take a quarter of the memory for what waits, and all events together half of it: receivers that
-- accept nothing stop those who use them, and nobody else.
if new_job.webhook ~= '' and undelivered > 0 then
  local own = tonumber(redis.call('HGET', keys.UNDELIVERED_BYTES, owner) or 0)
  if 2 * undelivered > args.queue_bytes or owner ~= '' and 4 * own > args.queue_bytes then return { 'events_waiting', spent } end
end
if open + undelivered + bytes > args.queue_bytes or not attached and waiting >= args.queue_cap
  or attached and redis.call('SCARD', download .. keys.JOBS) >= args.max_jobs then
  return { 'full', spent }
end

local job = { 'epoch', new_job.epoch, 'owner', new_job.owner, 'request', request, 'document', new_job.document,
  'site', new_job.site, 'public_root', new_job.public_root, 'traceparent', args.traceparent, 'created', args.created,
  'download', attached and running or new_download.id, 'bytes', new_job.bytes, 'idempotency', KEYS[3] }
if new_job.by_external_id ~= '' then
  job[#job + 1] = 'by_external_id'
  job[#job + 1] = new_job.by_external_id
end
if new_job.webhook ~= '' then
  job[#job + 1] = 'webhook'
  job[#job + 1] = new_job.webhook
end
local message
if attached then
  redis.call('HSET', KEYS[1], 'seq', 0, unpack(job))
  redis.call('HINCRBY', download, 'bytes', bytes)
  raise_head_start(download, running, new_download.head_start)
  give_turn(download, running)
  deliver_missed(job_id, download, ttl)
  message = redis.call('HGET', KEYS[1], 'state')
else
  message = compose_message(job_id, { new_job.epoch, args.traceparent, new_job.public_root, 0, '0', new_job.document }, args.body, false)
  redis.call('HSET', KEYS[1], 'seq', 1, 'state', message, unpack(job))
  redis.call('HSET', download, 'v', 1, 'url', new_download.url, 'format', new_download.format, 'download_by_url', KEYS[2],
    'object_by_url', new_download.object_by_url, 'site', new_download.site, 'caller', new_download.caller,
    'head_start', new_download.head_start, 'force', new_download.force and '1' or '', 'attempt', 0, 'retries', 0,
    'worker_losses', 0, 'created', args.created, 'traceparent', args.traceparent, 'body', args.body, 'status', 'queued',
    'due', now, 'queued_since', now, 'bytes', bytes, unpack(new_download.fields))
  redis.call('SET', KEYS[2], new_download.id, 'EX', ttl)
  store_arq_job(args.arq)
  line_up(groups_of(new_download.site, new_download.caller), args.arq.id, now, new_download.head_start)
end
add_to_index(keys.JOBS_BY_OWNER .. new_job.owner, 'state')
add_to_index(keys.OPEN_JOBS .. new_job.owner, 'download')
if new_job.by_external_id ~= '' then add_to_index(new_job.by_external_id, 'state') end
add_open_bytes(bytes)
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('SADD', download .. keys.JOBS, job_id)
set_expiry(download, ttl)
if KEYS[3] ~= '' then redis.call('SET', KEYS[3], job_id, 'EX', math.min(args.idempotency_seconds, ttl)) end
return { attached and 'attached' or 'created', spent, job_id, message, args.created }
