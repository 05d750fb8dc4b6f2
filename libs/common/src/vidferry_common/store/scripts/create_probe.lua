-- Creates a probe: a job by whose task a worker looks at a URL. Where the URL was looked at lately, the job ends at once.
-- KEYS: job, idempotency ('' without a key), the requests of its caller, the open probes of its caller ('' where nobody counts)
-- args: job (as create.lua takes it), task (fields of its record: field, value, …), body, known (whether the body is the last
--       one), traceparent, created, record_seconds, kept_seconds (of a record after its end), expires_at, idempotency_seconds,
--       queue_cap (tasks), queue_bytes, caller_rate, most_open (probes of the caller)
-- Returns as create.lua does; probes_waiting where the caller has as many open probes as it may.
local args = cjson.decode(ARGV[1])
local new_job, ttl = args.job, args.record_seconds
local job_id, owner = new_job.id, new_job.owner
local OPEN_SECONDS = 3600 -- after which a probe that nobody looked for does not count against its caller

-- The same script again, after its reply was lost.
local made = redis.call('HGET', KEYS[1], 'state')
if made then return { 'created', 0, job_id, made, args.created } end

local refusal, spent, open, undelivered = check_request(args, KEYS[3], KEYS[2])
if refusal then return refusal end
if not args.known then
  if KEYS[4] ~= '' then
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now_ms() - OPEN_SECONDS * 1000)
    if redis.call('ZCARD', KEYS[4]) >= args.most_open then return { 'probes_waiting', spent } end
  end
  open = forget_expired_bytes(open, redis.call('ZCARD', keys.QUEUE))
  if redis.call('ZCARD', keys.PROBES) >= args.queue_cap or open + undelivered + new_job.bytes > args.queue_bytes then
    return { 'full', spent }
  end
end

redis.call('HSET', KEYS[1], 'seq', 0, 'kind', 'probe', 'epoch', new_job.epoch, 'owner', owner, 'request', new_job.request,
  'document', new_job.document, 'site', new_job.site, 'public_root', new_job.public_root, 'traceparent', args.traceparent,
  'created', args.created, 'bytes', new_job.bytes, 'idempotency', KEYS[2])
if new_job.by_external_id ~= '' then redis.call('HSET', KEYS[1], 'by_external_id', new_job.by_external_id) end
redis.call('EXPIRE', KEYS[1], ttl)
add_to_index(keys.JOBS_BY_OWNER .. owner, 'state', new_job, ttl)
if new_job.by_external_id ~= '' then add_to_index(new_job.by_external_id, 'state', new_job, ttl) end
if KEYS[2] ~= '' then
  redis.call('SET', KEYS[2], job_id, 'EX', math.min(args.idempotency_seconds, args.known and args.kept_seconds or ttl))
end
if args.known then
  local ending = { record_seconds = args.kept_seconds, expires_at = args.expires_at }
  end_job(job_id, args.body, {}, nil, ending, #args.body)
  make_room_for_ended(ending)
else
  deliver(job_id, args.body, false, ttl, true)
  add_to_index(keys.OPEN_JOBS .. owner, 'epoch', new_job, ttl)
  if KEYS[4] ~= '' then
    redis.call('ZADD', KEYS[4], now_ms(), job_id)
    redis.call('EXPIRE', KEYS[4], OPEN_SECONDS)
  end
  add_open_bytes(new_job.bytes)
  add_task(keys.PROBES, job_id, now_ms(), unpack(args.task))
end
return { 'created', spent, job_id, redis.call('HGET', KEYS[1], 'state'), args.created }
