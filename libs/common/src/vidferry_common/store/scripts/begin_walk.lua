-- Begins a walk of the bucket that puts all objects into the index, or goes on with one that was left.
-- KEYS: walk, leader; args: holder, leads (whether only the leader may), anew (also where nothing is due, or another one
--       walks), interval_ms (between two walks; 0: only where the index was lost), hold_ms
-- Returns {ms until one is due, then where it is: ms of its start, name of the last object that is in}; false where
-- another worker leads.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
if args.leads and redis.call('HGET', KEYS[2], 'worker') ~= args.holder then return false end
local now = math.floor(now_ms())
local walk = redis.call('HMGET', KEYS[1], 'started', 'completed', 'after', 'holder', 'held_until')
local started, completed = tonumber(walk[1] or 0), tonumber(walk[2] or 0)
local is_held = walk[4] and walk[4] ~= args.holder and tonumber(walk[5]) > now
if is_held and not args.anew then return { math.ceil(walk[5] - now) } end
local after = walk[3] or ''
if args.anew or started <= completed then
  if not args.anew and completed > 0 then
    local due = args.interval_ms > 0 and completed + args.interval_ms - now or 86400000
    if due > 0 then return { due } end
  end
  started, after = math.max(now, started + 1), ''
end
redis.call('HSET', KEYS[1], 'started', started, 'after', after, 'holder', args.holder, 'held_until', now + args.hold_ms)
return { 0, string.format('%.0f', started), after }
