-- Creates a job, attached to the download that runs for its URL and format, or to a new one on the queue.
-- KEYS: job, download by URL, idempotency ('' without a key), new download, the requests of its caller
-- args: job (id, epoch, owner, waiting_limit and bytes_limit of the owner, 0: none; request, document, site, public_root,
--       bytes, created_ms, by_external_id ('' without one), webhook ('' without one)),
--       download (id, format, object_by_url, fields (further ones of its record: field, value, …), site, caller,
--       head_start, force, bytes), traceparent, created, body (of one that is queued), record_seconds, idempotency_seconds,
--       arq (id, payload, ms), queue_cap, queue_bytes, max_jobs (of one download), caller_rate (requests a minute, 0: any
--       number), child (of a batch: batch (its id), index; left out for other jobs)
-- Returns {outcome, ms until all requests of the caller's minute are available again, job id, newest message, created,
-- traceparent of the download that it is attached to}:
-- created | attached | replayed | mismatch | full | no_memory | over_rate | jobs_waiting (the owner's limit) |
-- bytes_per_day (then the third is the ms until the next day) | events_waiting (for the receivers of its owner) | elsewhere
-- (the batch has ended, was cancelled, or is at another entry).
local args = cjson.decode(ARGV[1])
local new_job, new_download = args.job, args.download
local job_id, request, ttl = new_job.id, new_job.request, args.record_seconds
local now = now_ms()

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

-- Whether any account of a site pauses, by any way out.
local function is_paused(site)
  local start = keys.SITE .. site .. keys.ACCOUNT
  for _, pause in ipairs(redis.call('ZRANGE', keys.PAUSES, 0, keys.MAX_PAUSES)) do
    if string.sub(pause, 1, #start) == start then return true end
  end
  return false
end

-- Whether the queue has no place for a new download. What pauses hold counts for half of the queue at most, and where that is
-- used up, in number or bytes, a site that pauses gets no more.
local function is_without_place(waiting, bytes)
  local held, half = redis.call('ZCARD', keys.HELD), args.queue_cap / 2
  if held > 0 then waiting = waiting - 1 end -- the mark of what is held
  if waiting + math.min(held, math.floor(half)) >= args.queue_cap then return true end
  return held > 0 and (held + 1 > half or 2 * bytes > args.queue_bytes) and is_paused(new_download.site)
end

-- The same script again, after its reply was lost.
local made = redis.call('HGET', KEYS[1], 'state')
if made then return { redis.call('EXISTS', KEYS[4]) == 1 and 'created' or 'attached', 0, job_id, made, args.created } end

local child = args.child
if child then
  local batch = redis.call('HMGET', keys.BATCH .. child.batch, 'made', 'stopped')
  if tonumber(batch[1] or nil) ~= child.index or batch[2] then return { 'elsewhere', 0 } end
end

local refusal, spent, open, undelivered = check_request(args, KEYS[5], KEYS[3])
if refusal then return refusal end

local owner = new_job.owner
if new_job.waiting_limit > 0 and count_waiting(owner, new_download.caller, new_job.waiting_limit) >= new_job.waiting_limit then
  return { 'jobs_waiting', spent }
end
refusal = check_bytes_of_day(new_job, spent) or check_events_waiting(new_job, undelivered, args.queue_bytes, spent)
if refusal then return refusal end

local running = redis.call('GET', KEYS[2])
local status = running and redis.call('HGET', download_key(running), 'status')
local attached = status and status ~= 'ended'
local download = attached and download_key(running) or KEYS[4]
local bytes = attached and new_job.bytes or new_job.bytes + new_download.bytes
local waiting = not attached and redis.call('ZCARD', keys.QUEUE)
open = forget_expired_bytes(open, waiting)
if open + undelivered + bytes > args.queue_bytes or attached and redis.call('SCARD', download .. keys.JOBS) >= args.max_jobs
  or not attached and is_without_place(waiting, open + bytes) then
  return { 'full', spent }
end

local job = { 'epoch', new_job.epoch, 'owner', new_job.owner, 'request', request, 'document', new_job.document,
  'site', new_job.site, 'public_root', new_job.public_root, 'traceparent', args.traceparent, 'created', args.created,
  'download', attached and running or new_download.id, 'bytes', new_job.bytes, 'idempotency', KEYS[3] }
if new_job.by_external_id ~= '' then
  job[#job + 1] = 'by_external_id'
  job[#job + 1] = new_job.by_external_id
end
if child then
  define_rest()
  job[#job + 1] = 'batch'
  job[#job + 1] = note_new_child(child.batch, args.body)
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
  redis.call('HSET', download, 'v', 1, 'format', new_download.format, 'download_by_url', KEYS[2],
    'object_by_url', new_download.object_by_url, 'site', new_download.site, 'caller', new_download.caller,
    'head_start', new_download.head_start, 'force', new_download.force and '1' or '', 'attempt', 0, 'retries', 0,
    'worker_losses', 0, 'created', args.created, 'traceparent', args.traceparent, 'body', args.body, 'status', 'queued',
    'due', now, 'queued_since', now, 'bytes', bytes, unpack(new_download.fields))
  redis.call('SET', KEYS[2], new_download.id, 'EX', ttl)
  store_arq_job(args.arq)
  line_up(groups_of(new_download.site, new_download.caller), args.arq.id, now, new_download.head_start)
end
add_to_index(keys.JOBS_BY_OWNER .. new_job.owner, 'state', new_job, ttl)
add_to_index(keys.OPEN_JOBS .. new_job.owner, 'epoch', new_job, ttl)
if new_job.by_external_id ~= '' then add_to_index(new_job.by_external_id, 'state', new_job, ttl) end
add_open_bytes(bytes)
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('SADD', download .. keys.JOBS, job_id)
set_expiry(download, ttl)
if child then tell_batches(ttl) end
if KEYS[3] ~= '' then redis.call('SET', KEYS[3], job_id, 'EX', math.min(args.idempotency_seconds, ttl)) end
return { attached and 'attached' or 'created', spent, job_id, message, args.created,
  attached and redis.call('HGET', download, 'traceparent') or '' }
