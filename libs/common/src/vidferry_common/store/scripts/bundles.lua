-- Functions of bundles.

-- Has a version never be taken. Of too many, the oldest is forgotten.
local function hold_version(version, reason, most)
  redis.call('HSET', keys.HELD_BUNDLES, version, string.format('%.0f ', now_ms()) .. reason)
  if redis.call('HLEN', keys.HELD_BUNDLES) <= most then return end
  local oldest, since
  local held = redis.call('HGETALL', keys.HELD_BUNDLES)
  for i = 1, #held, 2 do
    local at = tonumber(string.match(held[i + 1], '^%d+')) or 0
    if held[i] ~= version and (not since or at < since) then oldest, since = held[i], at end
  end
  redis.call('HDEL', keys.HELD_BUNDLES, oldest)
end
