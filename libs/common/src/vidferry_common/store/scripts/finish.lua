-- Ends a download and all its jobs, if the caller holds the fence.
-- KEYS: download; ARGV: download id, attempt, body, record seconds, object that the URL leads to (or ''),
--       seconds that this is known, then field, value of the jobs' records for each fact
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds(KEYS[1], ARGV[2]) then
  -- The same script again, after its reply was lost.
  if redis.call('HGET', KEYS[1], 'body') == redis.sha1hex(ARGV[3]) then return redis.call('SMEMBERS', KEYS[1] .. keys.JOBS) end
  return false
end
admit(KEYS[1])
local known
if ARGV[5] ~= '' and tonumber(ARGV[6]) > 0 then
  local index = redis.call('HGET', KEYS[1], 'object_by_url')
  local ms = math.min(ARGV[6], ARGV[4]) * 1000 -- it goes with a job's record, which is counted
  redis.call('SET', index, ARGV[5], 'PX', ms)
  known = index .. ' ' .. math.ceil(now_ms() + ms)
end
return end_download(KEYS[1], ARGV[1], ARGV[2], ARGV[3], facts_of(KEYS[1], { unpack(ARGV, 7) }), known, ARGV[4])
