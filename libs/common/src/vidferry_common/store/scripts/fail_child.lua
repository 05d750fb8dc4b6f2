-- Makes a child of a batch that has failed, since no download can be made of its URL.
-- KEYS: job; args: job (as create.lua takes it), child (batch, index), body (of the failure), traceparent, created,
--       record_seconds, expires_at, queue_bytes, caller_rate (0)
-- Returns created | no_memory | events_waiting (for the receivers of its owner) | elsewhere (the batch has ended, was
-- cancelled, or is at another entry).
local args = cjson.decode(ARGV[1])
local new_job, child, ttl = args.job, args.child, args.record_seconds
local batch = redis.call('HMGET', keys.BATCH .. child.batch, 'made', 'stopped')
if tonumber(batch[1] or nil) ~= child.index or batch[2] then return 'elsewhere' end
local refusal, spent, _, undelivered = check_request(args, '', '')
if refusal then return 'no_memory' end
if check_events_waiting(new_job, undelivered, args.queue_bytes, spent) then return 'events_waiting' end
redis.call('HSET', KEYS[1], 'seq', 0, 'epoch', new_job.epoch, 'owner', new_job.owner, 'request', new_job.request,
  'document', new_job.document, 'site', new_job.site, 'public_root', new_job.public_root, 'traceparent', args.traceparent,
  'created', args.created, 'idempotency', '', 'batch', note_new_child(child.batch, args.body))
if new_job.webhook ~= '' then redis.call('HSET', KEYS[1], 'webhook', new_job.webhook) end
add_to_index(keys.JOBS_BY_OWNER .. new_job.owner, 'state', new_job, ttl)
end_job(new_job.id, args.body, {}, nil, args)
make_room_for_ended(args)
return 'created'
