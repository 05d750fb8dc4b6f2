-- Reads one stretch of an index of objects, the newest first.
-- KEYS: index by time; args: shared (only objects of no partition), behind (a place, or a time in 13 digits; '': the beginning),
--       since (a time in 13 digits, or ''), most (places to look at)
-- Returns {1 where there are no more, the last place looked at or '', then place and record of each object}.
local args = cjson.decode(ARGV[1])
local first, last = args.behind ~= '' and '(' .. args.behind or '+', args.since ~= '' and '[' .. args.since or '-'
local places = redis.call('ZREVRANGEBYLEX', KEYS[1], first, last, 'LIMIT', 0, args.most)
local reply = { #places < args.most and 1 or 0, places[#places] or '' }
for _, place in ipairs(places) do
  if not args.shared or #place == 45 then
    local entry = read_object(string.sub(place, 14, 45))
    if entry then
      reply[#reply + 1] = place
      reply[#reply + 1] = entry.version .. ' ' .. entry.record
    else
      redis.call('ZREM', KEYS[1], place)
    end
  end
end
return reply
