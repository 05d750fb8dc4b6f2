-- Functions of the index of objects. It stands, after lib.lua, before the scripts that use it.
-- An object's entry is `<ms of its making> <ms at which it was put> <version> <partition or -> <record>`. Its place in an
-- index by time is the first, in 13 digits, the id, and @ where the object belongs to a partition: so the order of the
-- places is that of time, and a place is known without an object there.

local function place_of(ms, id, partition)
  return string.format('%013.0f', ms) .. id .. (partition ~= '-' and '@' or '')
end

local function parse_object(text)
  local ms, put_ms, version, partition, record = string.match(text, '^(%d+) (%d+) (%S+) (%S+) (.*)$')
  return { ms = tonumber(ms), put_ms = tonumber(put_ms), version = version, partition = partition, record = record }
end

local function read_object(id)
  local text = redis.call('HGET', keys.OBJECTS, id)
  return text and parse_object(text) or nil
end

local function drop_place(id, entry)
  local place = place_of(entry.ms, id, entry.partition)
  redis.call('ZREM', keys.OBJECTS_BY_TIME, place)
  if entry.partition ~= '-' then redis.call('ZREM', keys.OBJECTS_OF .. entry.partition, place) end
end

local function drop_object(id)
  local entry = read_object(id)
  if not entry then return end
  drop_place(id, entry)
  redis.call('HDEL', keys.OBJECTS, id)
  redis.call('ZREM', keys.OBJECTS_EXPIRING, id)
end

-- before: the entry that it replaces, or nil.
local function put_object(object, before, now)
  local partition = object.partition ~= '' and object.partition or '-'
  if before and before.ms ~= object.ms then drop_place(object.id, before) end
  redis.call('HSET', keys.OBJECTS, object.id,
    string.format('%.0f %.0f %s %s ', object.ms, now, object.version, partition) .. object.record)
  local place = place_of(object.ms, object.id, partition)
  redis.call('ZADD', keys.OBJECTS_BY_TIME, 0, place)
  if partition ~= '-' then redis.call('ZADD', keys.OBJECTS_OF .. partition, 0, place) end
  if object.expires_ms > 0 then
    redis.call('ZADD', keys.OBJECTS_EXPIRING, object.expires_ms, object.id)
  else
    redis.call('ZREM', keys.OBJECTS_EXPIRING, object.id)
  end
end
