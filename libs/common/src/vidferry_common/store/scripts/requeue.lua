-- Puts a running download back on the queue for its next attempt.
-- KEYS: download; args: download_id, attempt, cause (retries | worker_losses | ''), limit (of the cause), delay_ms, body,
--       last (the body that this one was made from, or ''), failure (the body at the limit), record_seconds, expires_at,
--       arq (of the next attempt: id, payload, ms), site_answered (whether the attempt has shown that its site answers),
--       outdated (the version of yt-dlp that is too old for its site, or ''), awaits_bundle (whether it may be tried again
--       sooner, when a look for a newer one has ended)
-- A worker loss counts only once the lease has expired, and only where nothing was told after `last`: the worker that told
-- it lives, and this body would take its progress back. The cause's counter is raised; beyond the limit the download ends
-- with the failure instead. Returns requeued | ended | stale.
local args = cjson.decode(ARGV[1])
local id, attempt, cause, ttl = args.download_id, tostring(args.attempt), args.cause, args.record_seconds
if not holds_fence(KEYS[1], attempt) then
  -- Else a lease without a running download would be found again and again, before all others.
  if cause == 'worker_losses' and redis.call('HGET', KEYS[1], 'status') ~= 'running' then
    redis.call('ZREM', keys.LEASES, id)
  end
  return 'stale'
end
if cause == 'worker_losses' then
  local lease = redis.call('ZSCORE', keys.LEASES, id)
  if lease and tonumber(lease) > now_ms() then return 'stale' end
  if args.last ~= '' and redis.call('HGET', KEYS[1], 'body') ~= args.last then return 'stale' end
end
allow_writes(KEYS[1])
if cause ~= '' and redis.call('HINCRBY', KEYS[1], cause, 1) > args.limit then
  end_download(KEYS[1], id, attempt, args.failure, facts_of(KEYS[1], {}), nil, args)
  return 'ended'
end
leave_queue(KEYS[1], id, id .. ':' .. attempt, args.site_answered)
deliver_to_all(KEYS[1], args.body, false, ttl)
set_expiry(KEYS[1], ttl)
-- A download that did not fail keeps its place in the queue: it was ahead of its caller's others.
local due = now_ms() + args.delay_ms
local record = redis.call('HMGET', KEYS[1], 'queued_since', 'head_start')
local queued_since = args.delay_ms == 0 and record[1] or due
redis.call('HSET', KEYS[1], 'status', 'queued', 'due', due, 'queued_since', queued_since)
if args.outdated ~= '' then redis.call('HSET', KEYS[1], 'outdated', args.outdated) end
store_arq_job(args.arq)
if due > now_ms() then
  redis.call('ZADD', keys.QUEUE, due, args.arq.id)
  redis.call('ZADD', keys.DELAYED, due, args.arq.id)
  if args.awaits_bundle then
    redis.call('ZADD', keys.AWAITING_BUNDLE, due, args.arq.id)
    redis.call('EXPIRE', keys.AWAITING_BUNDLE, 3600) -- longer than any of them waits
  end
else
  redis.call('ZADD', keys.QUEUE, queued_since - record[2], args.arq.id)
  ring_doorbell(keys.DOORBELL)
end
return 'requeued'
