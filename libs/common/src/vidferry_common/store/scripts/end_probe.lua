-- Ends a probe, if the worker still has its task, and keeps what was found for the next probe of the same URL.
-- args: id, taken, body, record_seconds, expires_at, found_key and found (its value; left out where nothing is to be kept)
-- Returns whether the worker still had the task.
local args = cjson.decode(ARGV[1])
if not holds_task(keys.PROBES, args.id, tostring(args.taken)) then return 0 end
allow_writes(keys.ROOM)
local known
if args.found then
  redis.call('SET', args.found_key, args.found, 'EX', args.record_seconds)
  known = args.found_key .. ' ' .. math.ceil(now_ms() + args.record_seconds * 1000)
end
end_probe(args.id, args, known, args.found and #args.found)
return 1
