-- Gives a task back, to be done again after a delay, or ends it.
-- KEYS: queue; args: id, taken, delay_ms (left out: the task ends), fields (of its record: field, value, …)
-- Returns whether the worker still had it.
local args = cjson.decode(ARGV[1])
if not holds_task(KEYS[1], args.id, tostring(args.taken)) then return 0 end
allow_writes(keys.ROOM)
if args.delay_ms then
  if args.fields[1] then redis.call('HSET', task_key(KEYS[1], args.id), unpack(args.fields)) end
  redis.call('HINCRBY', task_key(KEYS[1], args.id), 'put_back', 1)
  redis.call('ZADD', KEYS[1], now_ms() + args.delay_ms, args.id)
  if args.delay_ms == 0 then -- else idle workers look at the queue when the next task that they know is due
    ring_doorbell(KEYS[1] .. keys.TASK_DOORBELL)
  end
else
  end_task(KEYS[1], args.id)
end
return 1
