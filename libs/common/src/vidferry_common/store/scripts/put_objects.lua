-- Puts objects into the index, in place of what it says of them. A walk of the bucket puts what it lists, and how far it is.
-- KEYS: walk; args: objects (id, ms of its making, version, partition, expires_ms or 0, record), most (objects in the index),
--       walk (left out where a worker or an api puts: started_ms, holder, hold_ms, listed_ms, after)
-- Returns how many have no place in the index; false where another one walks now.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
local now, walk = now_ms(), args.walk
if walk then
  local record = redis.call('HMGET', KEYS[1], 'started', 'holder')
  if tonumber(record[1]) ~= walk.started_ms or record[2] ~= walk.holder then return false end
  redis.call('HSET', KEYS[1], 'after', walk.after, 'held_until', now + walk.hold_ms)
end
local share, left_out = look_at_memory(), 0

-- Whether the index knows it as it is now: it was replaced since, or put by another one since the bucket was listed.
local function is_known(entry, object)
  if not entry then return false end
  if walk then return entry.put_ms >= walk.listed_ms end
  return entry.ms > object.ms
end

-- At most some hundred at a time, where there may be fewer than before.
local function drop_oldest(count)
  for _, place in ipairs(redis.call('ZRANGE', keys.OBJECTS_BY_TIME, 0, math.min(count, 200) - 1)) do
    drop_object(string.sub(place, 14, 45))
  end
  redis.call('HSET', KEYS[1], 'dropped', now)
end

for _, object in ipairs(args.objects) do
  local entry = read_object(object.id)
  if not is_known(entry, object) then
    if not entry and share >= REFUSED then
      left_out = left_out + 1
      redis.call('HSET', KEYS[1], 'dropped', now)
    else
      put_object(object, entry, now)
      -- Where memory is short, the index shrinks by one with each object that it gets.
      local too_many = redis.call('ZCARD', keys.OBJECTS_BY_TIME) - args.most
      if not entry and share >= EVICTED then too_many = math.max(too_many, 2) end
      if too_many > 0 then drop_oldest(too_many) end
    end
  end
end
return left_out
