-- Makes a bundle the one that the fleet runs. Only the leader publishes, and no version that is held.
-- KEYS: bundle, leader; args: worker, bundle (its fields)
-- Returns published | held | not_leader.
local args = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[2], 'worker') ~= args.worker then return 'not_leader' end
if redis.call('HEXISTS', keys.HELD_BUNDLES, args.bundle.version) == 1 then return 'held' end
local current = redis.call('HMGET', KEYS[1], 'version', 'digest')
if current[1] == args.bundle.version and current[2] == args.bundle.digest then return 'published' end -- the reply was lost
allow_writes(KEYS[1])
if not current[1] then
  redis.call('DEL', keys.BUNDLE_BEFORE)
elseif current[1] ~= args.bundle.version then
  redis.call('RENAME', KEYS[1], keys.BUNDLE_BEFORE)
end
redis.call('HSET', KEYS[1], 'published', string.format('%.0f', now_ms()))
for field, value in pairs(args.bundle) do redis.call('HSET', KEYS[1], field, value) end
return 'published'
