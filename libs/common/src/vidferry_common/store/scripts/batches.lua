-- Functions of batches: what counts children and tells of them. It stands behind events.lua. publish.lua has them too.
-- The record of a child has the field `batch`: the status that the child is counted by, its downloaded bytes, its progress
-- in hundredths of a per cent, and the batch's id.

-- Milliseconds between two messages of a batch that no child's beginning or end asks for.
local BATCH_PAUSE_MS = 250

-- What this script has changed of batches, by their ids: differences of counts and sums, the time of the change as text, and
-- `moved` where a status or the number of children has changed. Summed up here and written once (tell_batches), since a
-- script may change a thousand children.
local changes = {}

local function change_of(batch_id, timestamp)
  local change = changes[batch_id]
  if not change then
    change = { made = 0, queued = 0, processing = 0, completed = 0, failed = 0, cancelled = 0, progress = 0, bytes = 0, size = 0 }
    changes[batch_id] = change
  end
  change.timestamp = timestamp
  return change
end

-- The error of a batch whose children have these: theirs, as a JSON object, if they have the same code.
local function common_error(one, other)
  if not one or one == '' or one == other then return other end
  if not other or other == '' then return one end
  return batches.MIXED_ERROR
end

-- The error of a batch whose children have failed as the one with this body: without what is the child's own, such as the site.
local function error_of(body)
  local code = string.match(body, '"error":{"code":"([%l_]+)"')
  return code and string.match(batches.ERRORS, '{"code":"' .. code .. '"[^}]*}') or string.match(body, '"error":({"code":.*})$')
end

-- Counts a child that gets this body. counted: its field `batch`. Returns the field's new value.
note_child = function(counted, body)
  local before, bytes_before, progress_before, batch_id = string.match(counted, '^(%l+) (%d+) (%d+) (%S+)$')
  local status, timestamp = string.match(body, '^"status":"(%l+)","stage":"%l+","timestamp":"([^"]*)"')
  local bytes = string.match(body, '"downloaded_bytes":(%d+)') or bytes_before
  local progress = math.floor((string.match(body, '"progress":([%d.]+)') or 0) * 100 + 0.5)
  local change = change_of(batch_id or '', timestamp or '')
  if not (before and change[status or '']) then return counted end -- another release wrote one of them
  if status ~= before then
    change.moved = true
    change[before], change[status] = change[before] - 1, change[status] + 1
    if status == 'completed' then
      change.size = change.size + (string.match(body, '"size":(%d+)') or 0)
    elseif status == 'failed' then
      change.error = common_error(change.error, error_of(body))
    end
    if status ~= 'queued' and status ~= 'processing' then progress = 10000 end
  end
  change.bytes, change.progress = change.bytes + bytes - bytes_before, change.progress + progress - progress_before
  return string.format('%s %s %d %s', status, bytes, progress, batch_id)
end

-- Counts a child that a batch makes now. Returns the child's field `batch`.
note_new_child = function(batch_id, body)
  local change = change_of(batch_id, string.match(body, '"timestamp":"([^"]*)"'))
  change.moved, change.made, change.queued = true, change.made + 1, change.queued + 1
  return 'queued 0 0 ' .. batch_id
end

-- Defined in batch_ends.lua, where a script has that: ends a batch that has no more to do, and has its state published soon.
local end_batch, publish_soon

local SUMS = { 'made', 'queued', 'processing', 'completed', 'failed', 'cancelled', 'progress', 'bytes', 'size' }

-- The body of a batch's message by its record, read_batch()'s.
local function batch_body(record, status, stage, timestamp, progress, message)
  return string.format(batches.BODY, status, stage, timestamp, progress, message, record.bytes, record.title,
    record.total or 'null', record.made, record.queued, record.processing, record.completed, record.failed, record.cancelled,
    record.bytes, record.size, record.warnings)
end

-- The record of a batch, with its sums as numbers; nil once the batch has ended. total: nil while its list is being read.
local function read_batch(batch_id)
  local found = redis.call('HMGET', keys.BATCH .. batch_id, 'told', 'begun', 'late', 'total', 'title', 'stopped', 'error',
    'warnings', unpack(SUMS))
  if not found[1] then return end
  local record = {
    told = tonumber(found[1]), begun = found[2], late = found[3], total = tonumber(found[4] or nil), title = found[5],
    stopped = found[6], error = found[7], warnings = found[8] or '[]',
  }
  for i, name in ipairs(SUMS) do record[name] = tonumber(found[8 + i]) end
  return record
end

-- Per cent, as text. While the list is being read, nobody knows how much is still to come.
local function batch_progress(record)
  if not record.total or record.total == 0 then return '0' end
  return string.format('%.2f', math.min(100, record.progress / 100 / record.total))
end

-- Sends a batch that has not ended its state, as a step where it begins. A quiet message is stored and not published.
local function tell_state(batch_id, record, timestamp, ttl, begins, quiet)
  local status, stage, message = 'queued', 'queued', batches.WAITING
  if record.begun then
    status, stage = 'processing', 'downloading'
    message = string.format(record.total and batches.RUNNING or batches.READING,
      record.completed + record.failed + record.cancelled, record.total or record.made)
  end
  deliver(batch_id, batch_body(record, status, stage, timestamp, batch_progress(record), message), begins, ttl, false, quiet)
end

-- Writes what a script has changed of one batch, and tells it where a watcher should see it now.
local function write_change(batch_id, record, change, ttl)
  local key, now = keys.BATCH .. batch_id, now_ms()
  local begins = not record.begun and record.made > record.queued
  local publishes = begins or now - record.told >= BATCH_PAUSE_MS or change.moved and not publish_soon
  if begins then
    record.begun = '1'
    redis.call('HSET', key, 'begun', '1')
  end
  if publishes then record.told = now end
  redis.call('HSET', key, 'told', record.told, 'error', record.error, 'made', record.made, 'queued', record.queued,
    'processing', record.processing, 'completed', record.completed, 'failed', record.failed, 'cancelled', record.cancelled,
    'progress', record.progress, 'bytes', record.bytes, 'size', record.size)
  if not publishes and not change.moved then return end
  tell_state(batch_id, record, change.timestamp, ttl, begins, not publishes)
  if publishes then
    redis.call('HDEL', key, 'late')
  elseif not record.late then
    redis.call('HSET', key, 'late', '1')
    publish_soon(batch_id)
  end
  if ttl and change.moved then
    redis.call('EXPIRE', keys.JOB .. batch_id, ttl)
    redis.call('EXPIRE', key, ttl)
    redis.call('EXPIRE', key .. keys.ENTRIES, ttl)
  end
end

-- Writes and tells what this script has changed of batches. args: of a script that may have ended their last child,
-- record_seconds and expires_at, as end_job takes them.
tell_batches = function(ttl, args)
  for batch_id, change in pairs(changes) do
    changes[batch_id] = nil
    local record = read_batch(batch_id)
    if record then
      for _, name in ipairs(SUMS) do record[name] = record[name] + change[name] end
      record.error = common_error(record.error, change.error) or ''
      local has_all = record.stopped or record.total and record.made >= record.total
      if args and has_all and record.queued + record.processing == 0 then
        end_batch(batch_id, record, change.timestamp, args)
      else
        write_change(batch_id, record, change, ttl)
      end
    end
  end
end
