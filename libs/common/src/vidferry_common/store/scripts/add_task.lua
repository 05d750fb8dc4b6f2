-- Adds a task, unless it is there already.
-- KEYS: queue; args: id, delay_ms, fields (of its record: field, value, …)
local args = cjson.decode(ARGV[1])
add_task(KEYS[1], args.id, now_ms() + args.delay_ms, unpack(args.fields))
