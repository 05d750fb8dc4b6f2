-- Ends children of a batch that is being cancelled. Those that have ended, or have a newer message, are left as they are.
-- args: children (id, seq and body of each), record_seconds, expires_at
-- Returns how many of them have a newer message.
local args = cjson.decode(ARGV[1])
local moved = 0
for _, child in ipairs(args.children) do
  if cancel_job(child[1], child[2], child[3], args) == 'moved' then moved = moved + 1 end
end
make_room_for_ended(args)
return moved
