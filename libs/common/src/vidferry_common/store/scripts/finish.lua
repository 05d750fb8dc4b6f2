-- Ends a download and all its jobs, if the caller holds the fence.
-- KEYS: download; args: download_id, attempt, body, record_seconds, expires_at, leads_to (the object that the URL leads to, or ''),
--       known_s (seconds that this is known), facts (field, value of the jobs' records for each), uploaded (bytes),
--       pinned (the object that the jobs hand out, or ''), site_answered (whether the attempt has shown that its site answers)
-- Returns the ids of the jobs told, or false where another attempt has taken over; 'unpinned' where somebody has deleted
-- the object since it was pinned.
local args = cjson.decode(ARGV[1])
local attempt = tostring(args.attempt)
if not holds_fence(KEYS[1], attempt) then
  -- The same script again, after its reply was lost.
  if redis.call('HGET', KEYS[1], 'body') == redis.sha1hex(args.body) then return redis.call('SMEMBERS', KEYS[1] .. keys.JOBS) end
  return false
end
if args.pinned ~= '' and not redis.call('ZSCORE', keys.PINNED, args.pinned) then return 'unpinned' end
allow_writes(KEYS[1])
local owner = args.uploaded > 0 and redis.call('HGET', KEYS[1], 'owner')
if owner then
  redis.call('INCRBY', day_key(owner), string.format('%d', args.uploaded))
  redis.call('EXPIRE', day_key(owner), 90000) -- an hour more than a day
end
local known
if args.leads_to ~= '' and args.known_s > 0 then
  local index = redis.call('HGET', KEYS[1], 'object_by_url')
  local ms = math.min(args.known_s, args.record_seconds) * 1000 -- it goes with a job's record, which is counted
  redis.call('SET', index, args.leads_to, 'PX', ms)
  known = index .. ' ' .. math.ceil(now_ms() + ms)
end
return end_download(
  KEYS[1], args.download_id, attempt, args.body, facts_of(KEYS[1], args.facts), known, args
)
