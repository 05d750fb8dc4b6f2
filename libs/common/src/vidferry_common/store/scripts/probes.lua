-- The end of a probe. It stands behind lib.lua, before the scripts that end probes.

-- Ends a probe and its task. known, known_bytes: the key of what was found, as end_job() takes it, and its size.
-- args: body, record_seconds and expires_at as end_job() takes them.
local function end_probe(job_id, args, known, known_bytes)
  local record = redis.call('HMGET', keys.JOB .. job_id, 'bytes', 'idempotency')
  local caller = redis.call('HGET', task_key(keys.PROBES, job_id), 'caller')
  end_task(keys.PROBES, job_id)
  if caller then redis.call('ZREM', keys.OPEN_PROBES .. caller, job_id) end
  if not record[1] then return end
  add_open_bytes(-record[1])
  if (record[2] or '') ~= '' then redis.call('EXPIRE', record[2], args.record_seconds) end
  -- The history has the last message once more.
  end_job(job_id, args.body, {}, known, args, #args.body + (known_bytes or 0))
  make_room_for_ended(args)
end
