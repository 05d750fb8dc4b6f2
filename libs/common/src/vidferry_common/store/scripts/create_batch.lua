-- Creates a batch: a job whose children a worker makes, by the task of that id.
-- KEYS: job, idempotency ('' without a key), the requests of its caller
-- args: job (as create.lua takes it), caller, entries (JSON each), total (of them; left out where they are still to be read),
--       warnings (JSON; '' without any), making (what the maker needs to know, as JSON), title (JSON), traceparent, created,
--       timestamp, record_seconds, idempotency_seconds, queue_bytes, caller_rate
-- Returns as create.lua does.
local args = cjson.decode(ARGV[1])
local new_job, ttl = args.job, args.record_seconds
local job_id, owner = new_job.id, new_job.owner

-- The same script again, after its reply was lost.
local made = redis.call('HGET', KEYS[1], 'state')
if made then return { 'created', 0, job_id, made, args.created } end

local refusal, spent, open, undelivered = check_request(args, KEYS[3], KEYS[2])
if refusal then return refusal end
if new_job.waiting_limit > 0 then
  local batches_open = redis.call('ZCARD', keys.OPEN_BATCHES .. owner)
  if count_waiting(owner, args.caller, new_job.waiting_limit) + batches_open >= new_job.waiting_limit then
    return { 'jobs_waiting', spent }
  end
end
refusal = check_bytes_of_day(new_job, spent) or check_events_waiting(new_job, undelivered, args.queue_bytes, spent)
if refusal then return refusal end
open = forget_expired_bytes(open, redis.call('ZCARD', keys.QUEUE))
if open + undelivered + new_job.bytes > args.queue_bytes then return { 'full', spent } end

local key = keys.BATCH .. job_id
redis.call('HSET', KEYS[1], 'seq', 0, 'kind', 'batch', 'epoch', new_job.epoch, 'owner', owner, 'request', new_job.request,
  'document', new_job.document, 'site', new_job.site, 'public_root', new_job.public_root, 'traceparent', args.traceparent,
  'created', args.created, 'bytes', new_job.bytes, 'idempotency', KEYS[2])
if new_job.by_external_id ~= '' then redis.call('HSET', KEYS[1], 'by_external_id', new_job.by_external_id) end
if new_job.webhook ~= '' then redis.call('HSET', KEYS[1], 'webhook', new_job.webhook) end
redis.call('HSET', key, 'told', now_ms(), 'making', args.making, 'title', args.title, 'error', '', 'made', 0, 'queued', 0,
  'processing', 0, 'completed', 0, 'failed', 0, 'cancelled', 0, 'progress', 0, 'bytes', 0, 'size', 0)
if args.warnings ~= '' then redis.call('HSET', key, 'warnings', args.warnings) end
if args.total then redis.call('HSET', key, 'total', args.total) end
for i = 1, #args.entries, 1000 do -- more than Lua's stack holds
  redis.call('RPUSH', key .. keys.ENTRIES, unpack(args.entries, i, math.min(i + 999, #args.entries)))
end
for _, each in ipairs({ KEYS[1], key, key .. keys.ENTRIES }) do redis.call('EXPIRE', each, ttl) end
local body = batch_body(read_batch(job_id), 'queued', 'queued', args.timestamp, '0', batches.WAITING)
deliver(job_id, body, false, ttl, true)
add_to_index(keys.JOBS_BY_OWNER .. owner, 'state', new_job, ttl)
add_to_index(keys.OPEN_JOBS .. owner, 'epoch', new_job, ttl)
add_to_index(keys.OPEN_BATCHES .. owner, 'epoch', new_job, ttl)
if new_job.by_external_id ~= '' then add_to_index(new_job.by_external_id, 'state', new_job, ttl) end
add_open_bytes(new_job.bytes)
add_task(keys.BATCHES, job_id, now_ms())
if KEYS[2] ~= '' then redis.call('SET', KEYS[2], job_id, 'EX', math.min(args.idempotency_seconds, ttl)) end
return { 'created', spent, job_id, redis.call('HGET', KEYS[1], 'state'), args.created }
