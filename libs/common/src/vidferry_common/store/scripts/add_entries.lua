-- Adds entries that were read of a playlist to a batch.
-- KEYS: batch; args: id, start (the index of the first), entries (JSON each), title (JSON; '' where it is unknown), complete
--       (whether these are the last), bytes (of the entries), timestamp, record_seconds, expires_at
-- Returns how many the batch has now; -1 where it has ended or goes on no more, -2 where Redis has no memory for them.
local args = cjson.decode(ARGV[1])
local record, entries = read_batch(args.id), KEYS[1] .. keys.ENTRIES
if not record or record.stopped then return -1 end
if look_at_memory() >= REFUSED then return -2 end
local count = redis.call('LLEN', entries)
-- Those that are there already come from a script that was sent again because its reply was lost.
for i = count - args.start + 1, #args.entries do count = redis.call('RPUSH', entries, args.entries[i]) end
local change = change_of(args.id, args.timestamp)
if args.title ~= '' and args.title ~= record.title then
  redis.call('HSET', KEYS[1], 'title', args.title)
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
