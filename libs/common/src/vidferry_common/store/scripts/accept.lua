-- How a request for a job is checked before the job is made. It stands behind lib.lua, before the scripts that make jobs,
-- and before the one that sends events again.

-- Counts one request of a caller. Returns the ms until all requests of its minute are available again; more than MINUTE_MS
-- where none was left. GCRA: a caller's state is one time, which expires once it is past.
local MINUTE_MS = 60000
local function count_request(key, rate)
  local spent = math.max(0, (redis.call('GET', key) or 0) - now_ms()) + MINUTE_MS / rate
  if spent <= MINUTE_MS then redis.call('SET', key, now_ms() + spent, 'PX', math.ceil(spent)) end
  return math.ceil(spent)
end

-- Adds the job to an index. Records expire by themselves, so each new id looks at two others, any of them, and drops those
-- whose record is gone, or lacks the field. So at most some half of the ids are of such records.
local function add_to_index(index, field, job, ttl)
  for _, other in ipairs(redis.call('ZRANDMEMBER', index, 2)) do
    if redis.call('HEXISTS', keys.JOB .. other, field) == 0 then redis.call('ZREM', index, other) end
  end
  redis.call('ZADD', index, job.created_ms, job.id)
  redis.call('EXPIRE', index, 2 * ttl) -- a job's steps, and its end, renew the expiry of its record
end

-- The jobs of an owner that have not ended, less its batches, which their own children would wait for, its probes, and the
-- downloads that it began and that run. A job that follows the download of another owner waits until that ends. A record that
-- expires by itself, or is ended by an older release, leaves its id behind: where there are too many, some hundred of them are
-- looked at.
local function count_waiting(owner, caller, most)
  local open_jobs = keys.OPEN_JOBS .. owner
  local aside = redis.call('ZCOUNT', keys.CALLER .. caller, now_ms(), '+inf') + redis.call('ZCARD', keys.OPEN_BATCHES .. owner)
    + redis.call('ZCARD', keys.OPEN_PROBES .. caller)
  if redis.call('ZCARD', open_jobs) - aside >= most then
    for _, job_id in ipairs(redis.call('ZRANDMEMBER', open_jobs, 100)) do
      if redis.call('HEXISTS', keys.JOB .. job_id, 'epoch') == 0 then redis.call('ZREM', open_jobs, job_id) end
    end
  end
  return redis.call('ZCARD', open_jobs) - aside
end

-- The bytes that were uploaded for an owner today, and the ms until midnight (UTC).
local function bytes_of_day(owner)
  return tonumber(redis.call('GET', day_key(owner)) or 0), DAY_MS - now_ms() % DAY_MS
end

-- The bytes of events that wait for their receivers. Where no task is left, those of events that Redis has lost are forgotten.
local function forget_lost_events(undelivered)
  if undelivered > 0 and redis.call('EXISTS', keys.DELIVERIES) == 0 then
    redis.call('HDEL', keys.ROOM, 'undelivered')
    redis.call('DEL', keys.UNDELIVERED_BYTES)
    return 0
  end
  return undelivered
end

-- The answer of a script where too many events wait for their receivers; nil where the job may have a webhook, or has none.
-- Events of one owner may take a quarter of the memory for what waits, and all events together half of it: receivers that
-- accept nothing stop those who use them, and nobody else.
local function check_events_waiting(job, undelivered, queue_bytes, spent)
  if job.webhook == '' or undelivered == 0 then return end
  local own = tonumber(redis.call('HGET', keys.UNDELIVERED_BYTES, job.owner) or 0)
  if 2 * undelivered > queue_bytes or job.owner ~= '' and 4 * own > queue_bytes then return { 'events_waiting', spent } end
end

-- Checks Redis' memory, the caller's rate and the Idempotency-Key of a request, in this order.
-- args: caller_rate, and job.request. Returns the script's answer where the request makes no job, else nil; the ms until all
-- requests of the caller's minute are available again, the bytes of what waits and runs, and those of undelivered events.
local function check_request(args, requests_key, idempotency)
  local share, open, undelivered = look_at_memory()
  if share >= EVICTED then
    make_room(16, share)
    share = measure_memory()
  end
  local spent = 0
  if args.caller_rate > 0 and share < REFUSED then
    spent = count_request(requests_key, args.caller_rate)
    if spent > MINUTE_MS then return { 'over_rate', spent } end
  end
  local known = idempotency ~= '' and redis.call('GET', idempotency)
  if known then
    local record = redis.call('HMGET', keys.JOB .. known, 'request', 'state', 'created')
    if record[1] and record[1] ~= args.job.request then return { 'mismatch', spent } end
    return { 'replayed', spent, known, record[2], record[3] }
  end
  if share >= REFUSED then return { 'no_memory', spent } end
  return nil, spent, open, forget_lost_events(undelivered)
end

-- The answer of a script where an owner's bytes of the day are used up; nil where some are left.
local function check_bytes_of_day(job, spent)
  if job.bytes_limit == 0 then return end
  local used, left_ms = bytes_of_day(job.owner)
  if used >= job.bytes_limit then return { 'bytes_per_day', spent, math.ceil(left_ms) } end
end

-- The bytes of what waits and runs. Where nothing does, those of records that expired while they waited are forgotten.
-- waiting: the downloads on the queue; false where nobody has counted them.
local function forget_expired_bytes(open, waiting)
  if waiting == 0 and open > 0 and redis.call('EXISTS', keys.LEASES, keys.HELD, keys.BATCHES, keys.PROBES) == 0 then
    redis.call('HDEL', keys.ROOM, 'open')
    return 0
  end
  return open
end
