-- Tells that a worker looks at a probe's URL, if the worker still has the task and the job has not ended.
-- args: id, taken, body, record_seconds
-- Returns whether the worker goes on.
local args = cjson.decode(ARGV[1])
if not holds_task(keys.PROBES, args.id, tostring(args.taken)) then return 0 end
allow_writes(keys.ROOM)
if redis.call('HEXISTS', keys.JOB .. args.id, 'epoch') == 0 then -- its record has expired
  end_task(keys.PROBES, args.id)
  return 0
end
deliver(args.id, args.body, true, args.record_seconds)
return 1
