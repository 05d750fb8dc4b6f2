-- Adds entries that were read of a playlist to a batch.
-- KEYS: batch; args: id, start (the index of the first), entries (JSON each), title (JSON; '' where it is unknown), warnings
--       (JSON; '' where there are none), complete (whether these are the last), bytes (of the entries), queue_bytes,
--       timestamp, record_seconds, expires_at
-- Returns how many the batch has now; -1 where it has ended or goes on no more, -2 where Redis has no memory for them. Entries
-- are given back with their batch only, so they may fill half of the memory for what waits: the jobs that are made of them, and
-- all others, have the other half. No entries and nothing else: asks whether there is room.
local args = cjson.decode(ARGV[1])
local record, entries = read_batch(args.id), KEYS[1] .. keys.ENTRIES
if not record or record.stopped then return -1 end
local share, open, undelivered = look_at_memory()
local is_end = args.complete and #args.entries == 0
if share >= REFUSED or not is_end and 2 * (open + undelivered + args.bytes) > args.queue_bytes then return -2 end
local count = redis.call('LLEN', entries)
if #args.entries == 0 and args.title == '' and args.warnings == '' and not is_end then return count end
-- Those that are there already come from a script that was sent again because its reply was lost.
for i = count - args.start + 1, #args.entries do count = redis.call('RPUSH', entries, args.entries[i]) end
local change = change_of(args.id, args.timestamp)
if args.title ~= '' and args.title ~= record.title then
  redis.call('HSET', KEYS[1], 'title', args.title)
  change.moved = true
end
if args.warnings ~= '' and args.warnings ~= record.warnings then
  redis.call('HSET', KEYS[1], 'warnings', args.warnings)
  change.moved = true
end
if args.complete and not record.total then
  redis.call('HSET', KEYS[1], 'total', count)
  change.moved = true
end
redis.call('HINCRBY', keys.JOB .. args.id, 'bytes', args.bytes)
add_open_bytes(args.bytes)
redis.call('EXPIRE', entries, args.record_seconds)
tell_batches(args.record_seconds, args)
return count
