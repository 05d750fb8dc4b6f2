-- What cancel.lua and cancel_children.lua share. It stands behind lib.lua.

-- Ends one job. Its download goes on for the other jobs, and stops with the last.
-- seq: that the body was made at. args: as end_job takes them.
-- Returns cancelled | ended (before) | moved (there is a newer message) | none (no such job).
local function cancel_job(job_id, seq, body, args)
  local job = keys.JOB .. job_id
  local record = redis.call('HMGET', job, 'state', 'download', 'seq', 'bytes')
  if not record[1] then return 'none' end
  if not record[2] then return 'ended' end
  if tonumber(record[3]) ~= seq then return 'moved' end
  redis.call('HDEL', job, 'attempt_offset') -- the body already holds the job's own attempt
  local download_id, download = record[2], download_key(record[2])
  end_job(job_id, body, facts_of(download, {}), nil, args)
  redis.call('SREM', download .. keys.JOBS, job_id)
  local running = redis.call('HMGET', download, 'status', 'attempt', 'worker')
  if not running[1] or running[1] == 'ended' then return 'cancelled' end
  redis.call('HINCRBY', download, 'bytes', -record[4])
  add_open_bytes(-record[4])
  if redis.call('SCARD', download .. keys.JOBS) > 0 then return 'cancelled' end
  if running[1] == 'running' then
    redis.call('LPUSH', keys.CANCELLATIONS .. running[3], download_id .. ':' .. running[2])
    redis.call('EXPIRE', keys.CANCELLATIONS .. running[3], 60)
    leave_queue(download, download_id, download_id .. ':' .. running[2])
  else
    leave_queue(download, download_id, download_id .. ':' .. (running[2] + 1))
  end
  close_download(download, download_id)
  return 'cancelled'
end
