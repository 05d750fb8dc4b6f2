-- A walk has listed the whole bucket: what it has not met leaves the index, a stretch at a time.
-- KEYS: walk; args: started_ms, holder, hold_ms, from (a place, '' at first), most (places to look at)
-- Returns {where to go on, '' at the end, how many have left}; false where another one walks now.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
local record = redis.call('HMGET', KEYS[1], 'started', 'holder', 'dropped')
if tonumber(record[1]) ~= args.started_ms or record[2] ~= args.holder then return false end
local places = redis.call('ZRANGEBYLEX', keys.OBJECTS_BY_TIME, args.from ~= '' and '(' .. args.from or '-', '+', 'LIMIT', 0, args.most)
local left = 0
for _, place in ipairs(places) do
  local id = string.sub(place, 14, 45)
  local entry = read_object(id)
  if entry and entry.put_ms < args.started_ms then
    drop_object(id)
    left = left + 1
  elseif not entry then
    redis.call('ZREM', keys.OBJECTS_BY_TIME, place)
  end
end
if #places == args.most then
  redis.call('HSET', KEYS[1], 'held_until', now_ms() + args.hold_ms)
  return { places[#places], left }
end
if tonumber(record[3] or args.started_ms) < args.started_ms then redis.call('HDEL', KEYS[1], 'dropped') end
redis.call('HDEL', KEYS[1], 'holder', 'held_until', 'after')
redis.call('HSET', KEYS[1], 'completed', math.max(math.floor(now_ms()), args.started_ms))
return { '', left }
