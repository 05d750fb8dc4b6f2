-- Does a task of the batches' news: publishes the state of the batch, unless that has been done since it was asked for.
-- What changes from here on asks for another task.
-- KEYS: batch; args: id, timestamp, record_seconds
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
end_task(keys.BATCH_NEWS, args.id)
local record = read_batch(args.id)
if not record or not record.late then return end
redis.call('HDEL', KEYS[1], 'late')
redis.call('HSET', KEYS[1], 'told', now_ms())
tell_state(args.id, record, args.timestamp, args.record_seconds, false)
