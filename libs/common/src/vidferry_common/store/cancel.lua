-- Ends one job. Its download goes on for the others, and stops with the last.
-- KEYS: job; ARGV: job id, the seq that the body was made at, body, record seconds
-- Returns cancelled | ended (before) | moved (there is a newer message) | none (no such job).
local record = redis.call('HMGET', KEYS[1], 'download', 'seq', 'ended', 'bytes')
if not record[1] then return 'none' end
if record[3] then return 'ended' end
if record[2] ~= ARGV[2] then return 'moved' end
redis.call('HDEL', KEYS[1], 'ahead') -- the body is made of what the job was told
deliver(ARGV[1], ARGV[3], true, true, ARGV[4])
local download_id, download = record[1], download_key(record[1])
redis.call('SREM', download .. ':jobs', ARGV[1])
settle({ ARGV[1] }, false)
local running = redis.call('HMGET', download, 'status', 'attempt', 'worker')
if not running[1] or running[1] == 'ended' then return 'cancelled' end
occupy(download, 0 - (record[4] or 0))
if redis.call('SCARD', download .. ':jobs') > 0 then return 'cancelled' end
if running[1] == 'running' then
  redis.call('LPUSH', 'vidferry:stopped:' .. running[3], download_id .. ':' .. running[2])
  redis.call('EXPIRE', 'vidferry:stopped:' .. running[3], 60)
  leave(download, download_id, download_id .. ':' .. running[2])
else
  leave(download, download_id, download_id .. ':' .. (running[2] + 1))
end
close(download, download_id, ARGV[4])
settle({}, download_id)
return 'cancelled'
