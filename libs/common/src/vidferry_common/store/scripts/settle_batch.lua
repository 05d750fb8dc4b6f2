-- Counts anew the children of a batch that has not moved for a while. A worker of an older release ends children without
-- counting them, and a record may expire before its job has ended.
-- KEYS: batch; args: id, children (the ids of all that are made), timestamp, record_seconds, expires_at
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
local record = read_batch(args.id)
if not record or record.made ~= #args.children then return end
local size, bytes, progress = 0, 0, 0
local counts = { queued = 0, processing = 0, completed = record.completed, failed = record.failed, cancelled = record.cancelled }
for _, child in ipairs(args.children) do
  local job = keys.JOB .. child
  local state, epoch, counted = unpack(redis.call('HMGET', job, 'state', 'epoch', 'batch'))
  local status = state and string.match(state, '"status":"(%l+)"')
  local own_bytes = status and string.match(state, '"downloaded_bytes":(%d+)') or 0
  bytes = bytes + own_bytes
  if status and epoch then
    counts[status] = counts[status] + 1
    local own_progress = math.floor((string.match(state, '"progress":([%d.]+)') or 0) * 100 + 0.5)
    progress = progress + own_progress
    if counted then
      local as_now = string.format('%s %s %d', status, own_bytes, own_progress)
      redis.call('HSET', job, 'batch', (string.gsub(counted, '^%l+ %d+ %d+', as_now)))
    end
  elseif status and not counted then
    counts[status] = counts[status] + 1
    if status == 'completed' then size = size + (string.match(state, '"size":(%d+)') or 0) end
    redis.call('HSET', job, 'batch', '1')
  end
end
local lost = record.made - counts.queued - counts.processing - counts.completed - counts.failed - counts.cancelled
counts.failed = counts.failed + lost
local change = change_of(args.id, args.timestamp)
if lost > 0 then change.error = batches.LOST_ERROR end
local ended = counts.completed + counts.failed + counts.cancelled
change.progress, change.size = progress + ended * 10000 - record.progress, size
change.bytes = math.max(0, bytes - record.bytes) -- records that have expired tell no bytes any more
for status, count in pairs(counts) do
  change[status] = count - record[status]
  change.moved = change.moved or change[status] ~= 0
end
tell_batches(args.record_seconds, args)
