-- Ends children of a batch that is being cancelled. Those that have ended, or have a newer message, are left as they are.
-- args: children (id, seq and body of each), record_seconds, expires_at
-- Returns how many of them have a newer message.
local args = cjson.decode(ARGV[1])
local moved, line = 0, {}
for _, child in ipairs(args.children) do
  local outcome, ended = cancel_job(child[1], child[2], child[3], args)
  if outcome == 'moved' then moved = moved + 1 end
  line[#line + 1] = ended
end
append_ended(line, args)
return moved
