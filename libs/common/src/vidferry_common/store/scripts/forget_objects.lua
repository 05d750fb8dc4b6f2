-- Objects are no longer being deleted; those that are gone leave the index, and nobody is to hand them out.
-- KEYS: deleting, pinned; args: names (whose marks go), gone (id, name, version and ms of its making of each that is gone)
local args = cjson.decode(ARGV[1])
for _, name in ipairs(args.names) do redis.call('ZREM', KEYS[1], name) end
for _, object in ipairs(args.gone) do
  redis.call('ZREM', KEYS[2], object.name)
  local entry = read_object(object.id)
  -- The same bytes may have the same version when they are stored anew, but a later time.
  local is_gone = entry and (entry.ms < object.ms or (entry.ms == object.ms and entry.version == object.version))
  if is_gone then drop_object(object.id) end
end
