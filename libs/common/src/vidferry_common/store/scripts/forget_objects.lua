-- Objects are no longer being deleted; those that are gone leave the index, and nobody is to hand them out.
-- KEYS: deleting, pinned; args: names (whose marks go), gone (id, name and generation of each that is gone)
local args = cjson.decode(ARGV[1])
for _, name in ipairs(args.names) do redis.call('ZREM', KEYS[1], name) end
for _, object in ipairs(args.gone) do
  redis.call('ZREM', KEYS[2], object.name)
  local entry = read_object(object.id)
  if entry and entry.generation <= object.generation then drop_object(object.id) end
end
