-- Holds tasks on for the worker that took them, also where their hold is over and nobody else has taken them.
-- KEYS: queue; args: hold_ms, tasks (`taken` by id)
-- Returns the ids of those that the worker has lost.
local args = cjson.decode(ARGV[1])
local lost = {}
allow_writes(keys.ROOM)
for id, taken in pairs(args.tasks) do
  if holds_task(KEYS[1], id, tostring(taken)) then
    redis.call('ZADD', KEYS[1], 'XX', now_ms() + args.hold_ms, id)
  else
    lost[#lost + 1] = id
  end
end
return lost
