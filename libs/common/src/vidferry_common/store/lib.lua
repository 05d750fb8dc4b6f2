-- Shared by all scripts: prepended to each of them. Every script is one atomic step.
-- Names are those of contract/keys.py; a test compares them.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Sends one body to one job: raises its seq, stores the state, keeps a step in its history, publishes.
-- An ended job stays as it ended.
local function deliver(job_id, body, step, ended, ttl)
  local key = 'vidferry:job:' .. job_id
  local record = redis.call('HMGET', key, 'epoch', 'traceparent', 'root', 'ended')
  if not record[1] or record[4] then return end
  local seq = redis.call('HINCRBY', key, 'seq', 1)
  if string.find(body, '[\1\2]') then
    body = string.gsub(body, '[\1\2]', { ['\1'] = record[3], ['\2'] = job_id })
  end
  local message = '{"v":1,"type":"status",' .. (step and '"step":true,' or '') .. '"cursor":"' .. record[1] .. '-' .. seq ..
    '","traceparent":"' .. record[2] .. '","data":{"job_id":"' .. job_id .. '","seq":' .. seq .. ',' .. body .. '}}'
  redis.call('HSET', key, 'state', message)
  if ended then redis.call('HSET', key, 'ended', '1') end
  if step then
    redis.call('RPUSH', key .. ':history', message)
    redis.call('LTRIM', key .. ':history', -64, -1)
    redis.call('EXPIRE', key .. ':history', ttl)
  end
  redis.call('EXPIRE', key, ttl)
  redis.call('PUBLISH', 'websocket:' .. job_id, message)
end

-- Sends one body to every job of a download, and keeps it for those that attach later. Returns the jobs' ids.
local function tell(download, body, step, ended, ttl)
  redis.call('HSET', download, 'body', body)
  if step then
    redis.call('RPUSH', download .. ':steps', body)
    redis.call('LTRIM', download .. ':steps', -64, -1)
    redis.call('EXPIRE', download .. ':steps', ttl)
  end
  local jobs = redis.call('SMEMBERS', download .. ':jobs')
  for _, job_id in ipairs(jobs) do deliver(job_id, body, step, ended, ttl) end
  return jobs
end

-- Puts an attempt on arq's queue and wakes a worker.
local function enqueue(arq_id, payload, score, arq_ttl_ms)
  redis.call('SET', 'arq:job:' .. arq_id, payload, 'PX', arq_ttl_ms)
  redis.call('ZADD', 'arq:queue', score, arq_id)
  redis.call('LPUSH', 'vidferry:doorbell', '1')
  redis.call('LTRIM', 'vidferry:doorbell', 0, 999)
end

-- Whether a download runs at that attempt: the fence.
local function holds(download, attempt)
  local record = redis.call('HMGET', download, 'status', 'attempt')
  return record[1] == 'running' and record[2] == attempt
end

local function expire(download, ttl)
  redis.call('EXPIRE', download, ttl)
  redis.call('EXPIRE', download .. ':jobs', ttl)
end

-- The end of a download: nothing attaches to it any more.
local function end_download(download, download_id, body, ttl)
  local jobs = tell(download, body, true, true, ttl)
  redis.call('HSET', download, 'status', 'ended')
  redis.call('ZREM', 'vidferry:leases', download_id)
  local address = redis.call('HGET', download, 'address')
  if redis.call('GET', address) == download_id then redis.call('DEL', address) end
  redis.call('DEL', download .. ':steps')
  expire(download, ttl)
  return jobs
end
