-- A download has found out which object it makes. Where another download makes that already, its jobs move there.
-- KEYS: download, its key by object; args: download_id, attempt, record_seconds, max_jobs (of one download)
-- Returns mine | merged, or false where another attempt has taken over.
local args = cjson.decode(ARGV[1])
local id, attempt, ttl = args.download_id, tostring(args.attempt), args.record_seconds
if not holds_fence(KEYS[1], attempt) then return false end
allow_writes(KEYS[1])
local other_id = redis.call('GET', KEYS[2])
local other = other_id and other_id ~= id and download_key(other_id)
-- An earlier attempt may have found another object: the index of that one is stale.
local status = other and redis.call('HGET', other, 'download_by_object') == KEYS[2] and redis.call('HGET', other, 'status')
local jobs = redis.call('SMEMBERS', KEYS[1] .. keys.JOBS)
if not status or status == 'ended' or redis.call('SCARD', other .. keys.JOBS) + #jobs > args.max_jobs then
  local before = redis.call('HGET', KEYS[1], 'download_by_object')
  if before and before ~= KEYS[2] and redis.call('GET', before) == id then redis.call('DEL', before) end
  redis.call('SET', KEYS[2], id, 'EX', ttl)
  redis.call('HSET', KEYS[1], 'download_by_object', KEYS[2])
  return 'mine'
end
-- A job's attempt number never falls, also where the other download has had fewer.
local first_told = redis.call('LINDEX', other .. keys.STEPS, 0)
local begins_at = first_told and number_in(first_told, 'attempt') or redis.call('HGET', other, 'attempt')
for _, job_id in ipairs(jobs) do
  local job = keys.JOB .. job_id
  local reached = attempt + (redis.call('HGET', job, 'attempt_offset') or 0)
  redis.call('SADD', other .. keys.JOBS, job_id)
  redis.call('HSET', job, 'download', other_id, 'attempt_offset', math.max(0, reached - begins_at))
  deliver_missed(job_id, other, ttl)
end
if tell_batches then tell_batches(ttl) end
local record = redis.call('HMGET', KEYS[1], 'bytes', 'head_start', 'download_by_url', 'merged')
redis.call('HINCRBY', other, 'bytes', record[1])
add_open_bytes(record[1])
raise_head_start(other, other_id, record[2])
redis.call('DEL', KEYS[1] .. keys.JOBS)
leave_queue(KEYS[1], id, id .. ':' .. attempt)
close_download(KEYS[1], id)
-- New jobs for one of these URLs join the other download, whose end deletes these keys.
local by_url = record[3] .. ' ' .. (record[4] or '')
for key in string.gmatch(by_url, '%S+') do redis.call('SET', key, other_id, 'EX', ttl) end
redis.call('HSET', other, 'merged', by_url .. ' ' .. (redis.call('HGET', other, 'merged') or ''))
return 'merged'
