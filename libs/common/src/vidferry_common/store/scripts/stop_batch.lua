-- Has a batch make no more children. It ends with the last of those that it has.
-- KEYS: batch; args: id, how (cancelled | failed), error (JSON; of a batch that fails), timestamp, record_seconds, expires_at
-- Returns whether there is such a batch that has not ended.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
local stopped = redis.call('HMGET', KEYS[1], 'told', 'stopped')
if not stopped[1] then return 0 end
if stopped[2] ~= 'cancelled' then redis.call('HSET', KEYS[1], 'stopped', args.how) end
if args.how == 'failed' then redis.call('HSET', KEYS[1], 'reading_error', args.error) end
change_of(args.id, args.timestamp)
tell_batches(args.record_seconds, args)
return 1
