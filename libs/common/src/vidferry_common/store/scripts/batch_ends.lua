-- How a batch ends, and how its state is published a little later. It stands behind room.lua and batches.lua.

publish_soon = function(batch_id)
  add_task(keys.BATCH_NEWS, batch_id, now_ms() + BATCH_PAUSE_MS)
end

-- What a cancelled batch has not made is kept for its retry. Returns the bytes that it takes.
local function keep_entries_left(batch_id, record, ttl)
  local entries = keys.BATCH .. batch_id .. keys.ENTRIES
  redis.call('LTRIM', entries, record.made, -1)
  redis.call('EXPIRE', entries, ttl)
  local size = redis.pcall('MEMORY', 'USAGE', entries, 'SAMPLES', 0)
  return type(size) == 'number' and size or 0
end

end_batch = function(batch_id, record, timestamp, args)
  local key, job = keys.BATCH .. batch_id, keys.JOB .. batch_id
  local status, progress = 'failed', batch_progress(record)
  if record.stopped == 'cancelled' then
    status = 'cancelled'
  elseif record.stopped ~= 'failed' and (record.completed > 0 or record.failed + record.cancelled == 0) then
    status, progress = 'completed', '100'
  elseif not record.stopped and record.failed == 0 then
    status = 'cancelled' -- one by one
  end
  local stage = status == 'completed' and 'done' or status
  local message = string.format(batches.ENDED, record.completed, record.failed, record.cancelled)
  local body = batch_body(record, status, stage, timestamp, progress, message)
  if status == 'failed' then
    local own = record.stopped and redis.call('HGET', key, 'reading_error') or record.error
    -- Nobody knows the errors of children that a worker of an older release has ended (settle_batch.lua).
    body = body .. ',"error":' .. (own ~= '' and own or batches.MIXED_ERROR)
  end
  local more_bytes
  if status == 'cancelled' and redis.call('LLEN', key .. keys.ENTRIES) > record.made then
    more_bytes = keep_entries_left(batch_id, record, args.record_seconds)
    redis.call('DEL', key)
  else
    redis.call('DEL', key, key .. keys.ENTRIES)
  end
  local found = redis.call('HMGET', job, 'owner', 'bytes')
  add_open_bytes(-(found[2] or 0))
  redis.call('ZREM', keys.OPEN_BATCHES .. (found[1] or ''), batch_id)
  end_task(keys.BATCHES, batch_id)
  end_task(keys.BATCH_NEWS, batch_id)
  end_job(batch_id, body, {}, nil, args, more_bytes)
  make_room_for_ended(args)
end
