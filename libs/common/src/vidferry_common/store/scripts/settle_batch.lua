-- Counts anew the children of a batch that has not moved for a while. A worker of an older release ends children without
-- counting them, and a record may expire before its job has ended.
-- KEYS: batch; args: id, children (the ids of all that are made), timestamp, record_seconds, expires_at
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
local record = read_batch(args.id)
if not record or record.made ~= #args.children then return end
local counts = { queued = 0, processing = 0, completed = record.completed, failed = record.failed, cancelled = record.cancelled }
for _, child in ipairs(args.children) do
  local job = keys.JOB .. child
  local found = redis.call('HMGET', job, 'state', 'epoch', 'batch')
  local status = found[1] and string.match(found[1], '"status":"(%l+)"')
  if status and found[2] then
    counts[status] = counts[status] + 1
    if found[3] then redis.call('HSET', job, 'batch', (string.gsub(found[3], '^%l+', status, 1))) end
  elseif status and not found[3] then
    counts[status] = counts[status] + 1
    redis.call('HSET', job, 'batch', '1')
  end
end
local lost = record.made - counts.queued - counts.processing - counts.completed - counts.failed - counts.cancelled
counts.failed = counts.failed + lost
local change = change_of(args.id, args.timestamp)
if lost > 0 then change.error = batches.LOST_ERROR end
for status, count in pairs(counts) do
  change[status] = count - record[status]
  change.moved = change.moved or change[status] ~= 0
end
tell_batches(args.record_seconds, args)
