-- Ends one job. Its download goes on for the others, and stops with the last.
-- KEYS: job; ARGV: job id, the seq that the body was made at, body, record seconds
-- Returns cancelled | ended (before) | moved (there is a newer message) | none (no such job).
local record = redis.call('HMGET', KEYS[1], 'state', 'download', 'seq', 'bytes')
if not record[1] then return 'none' end
if not record[2] then return 'ended' end
if record[3] ~= ARGV[2] then return 'moved' end
redis.call('HDEL', KEYS[1], 'attempt_offset') -- the body is made of what the job was told
local download_id, download = record[2], download_key(record[2])
settle({ end_job(ARGV[1], ARGV[3], facts_of(download, {}), nil, ARGV[4]) })
redis.call('SREM', download .. keys.JOBS, ARGV[1])
local running = redis.call('HMGET', download, 'status', 'attempt', 'worker')
if not running[1] or running[1] == 'ended' then return 'cancelled' end
redis.call('HINCRBY', download, 'bytes', -record[4])
occupy(-record[4])
if redis.call('SCARD', download .. keys.JOBS) > 0 then return 'cancelled' end
if running[1] == 'running' then
  redis.call('LPUSH', keys.CANCELLATIONS .. running[3], download_id .. ':' .. running[2])
  redis.call('EXPIRE', keys.CANCELLATIONS .. running[3], 60)
  leave(download, download_id, download_id .. ':' .. running[2])
else
  leave(download, download_id, download_id .. ':' .. (running[2] + 1))
end
close(download, download_id)
return 'cancelled'
