-- Ends a download and all its jobs, if the caller holds the fence.
-- KEYS: download; ARGV: download id, attempt, body, record seconds, object that the address leads to (or ''),
--       seconds that this is known, then field, value of the record for each fact
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds(KEYS[1], ARGV[2]) then
  -- The same script again, after its reply was lost.
  if redis.call('HGET', KEYS[1], 'body') == ARGV[3] then return redis.call('SMEMBERS', KEYS[1] .. ':jobs') end
  return false
end
admit(KEYS[1])
for i = 7, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[5] ~= '' and tonumber(ARGV[6]) > 0 then
  local seconds = math.min(tonumber(ARGV[6]), tonumber(ARGV[4])) -- it goes with the record, which is counted
  redis.call('SET', redis.call('HGET', KEYS[1], 'seen'), ARGV[5], 'EX', seconds)
  redis.call('HSET', KEYS[1], 'seen_until', redis.call('TIME')[1] + seconds)
end
return end_download(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
