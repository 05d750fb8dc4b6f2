-- Shared by all scripts: prepended to each of them. Every script is one atomic step.
-- Names are those of contract/keys.py; a test compares them.

-- Scores on arq's queue that no clock reaches: arq takes nothing whose score lies ahead.
local RUNNING, PARKED = 8e15, 9e15

-- With its fraction: what comes within one millisecond keeps its order.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

local function download_key(download_id)
  return 'vidferry:download:' .. download_id
end

-- A text with each mark replaced. Not by gsub, which looks at each character in turn: most of what a progress costs.
local function replace(text, mark, value)
  local at = string.find(text, mark, 1, true)
  while at do
    text = string.sub(text, 1, at - 1) .. value .. string.sub(text, at + 1)
    at = string.find(text, mark, at + #value, true)
  end
  return text
end

-- A number in a body or a message: text of a title can't look like it, for its quotes are escaped.
local function number_in(text, field)
  return tonumber(string.match(text, '"' .. field .. '":([%d.]+)'))
end

-- A body as it is told to a job that had so many more attempts before it went over to this download (identify.lua).
local function ahead_by(body, attempts)
  local told = string.gsub(body, '"attempt":(%d+)', function(own) return '"attempt":' .. own + attempts end, 1)
  return told
end

-- Sends one body to one job: raises its seq, stores the state, keeps a step in its history, publishes.
-- An ended job stays as it ended. A record's time begins anew with each step, of which every attempt has some.
local function deliver(job_id, body, step, ended, ttl)
  local key = 'vidferry:job:' .. job_id
  local record = redis.call('HMGET', key, 'epoch', 'traceparent', 'root', 'ended', 'seq', 'ahead')
  if not record[1] or record[4] then return end
  if (record[6] or '0') ~= '0' then body = ahead_by(body, record[6]) end
  local seq = record[5] + 1
  local message = '{"v":1,"type":"status",' .. (step and '"step":true,' or '') .. '"cursor":"' .. record[1] .. '-' .. seq ..
    '","traceparent":"' .. record[2] .. '","data":{"job_id":"' .. job_id .. '","seq":' .. seq .. ',' ..
    replace(replace(body, '\1', record[3]), '\2', job_id) .. '}}'
  redis.call('HSET', key, 'seq', seq, 'state', message, unpack(ended and { 'ended', '1' } or {}))
  if step then
    redis.call('RPUSH', key .. ':history', message)
    redis.call('LTRIM', key .. ':history', -64, -1)
    redis.call('EXPIRE', key .. ':history', ttl)
    redis.call('EXPIRE', key, ttl)
  end
  redis.call('PUBLISH', 'websocket:' .. job_id, message)
end

-- Sends one body to every job of a download, and keeps it for those that attach later. Returns the jobs' ids.
-- The same step again is a script that was sent again after its reply was lost.
local function tell(download, body, step, ended, ttl)
  local jobs = redis.call('SMEMBERS', download .. ':jobs')
  if step and redis.call('LPOS', download .. ':steps', body) then return jobs end
  redis.call('HSET', download, 'body', body)
  if step then
    redis.call('RPUSH', download .. ':steps', body)
    redis.call('LTRIM', download .. ':steps', -64, -1)
    redis.call('EXPIRE', download .. ':steps', ttl)
  end
  for _, job_id in ipairs(jobs) do deliver(job_id, body, step, ended, ttl) end
  return jobs
end

-- Tells a job what it missed of a download, beyond what it has seen of another: the steps, then where it is now.
local function catch_up(job_id, download, ttl)
  local state = redis.call('HGET', 'vidferry:job:' .. job_id, 'state')
  local seen, body = state and number_in(state, 'progress') or -1, redis.call('HGET', download, 'body')
  for _, missed in ipairs(redis.call('LRANGE', download .. ':steps', 0, -1)) do
    if number_in(missed, 'progress') > seen then deliver(job_id, missed, true, false, ttl) end
  end
  if redis.call('LINDEX', download .. ':steps', -1) ~= body and number_in(body, 'progress') >= seen then
    deliver(job_id, body, false, false, ttl)
  end
end

local function ring()
  redis.call('LPUSH', 'vidferry:doorbell', '1')
  redis.call('LTRIM', 'vidferry:doorbell', 0, 999)
end

-- From when on a download has waited for its turn, less the head start of its class.
local function order(download)
  local record = redis.call('HMGET', download, 'place', 'head_start')
  return record[1] - record[2]
end

-- Somebody in more of a hurry waits for a download as well.
local function hasten(download, download_id, head_start)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'head_start', 'site')
  if tonumber(record[3]) >= tonumber(head_start) then return end
  redis.call('HSET', download, 'head_start', head_start)
  local arq_id = download_id .. ':' .. (record[2] + 1)
  local score = record[1] == 'queued' and redis.call('ZSCORE', 'arq:queue', arq_id)
  if not score then return end
  if tonumber(score) == PARKED then
    redis.call('ZADD', 'vidferry:site:' .. record[4] .. ':parked', 'XX', order(download), arq_id)
  elseif tonumber(score) <= now_ms() then
    redis.call('ZADD', 'arq:queue', 'XX', order(download), arq_id)
  end
end

-- Puts an attempt on arq's queue and wakes a worker, or leaves it there until it is due. It stands where one stands
-- that was due at place, which may have been an earlier attempt of the same download.
local function enqueue(download, arq_id, payload, due, place, arq_ttl_ms)
  redis.call('HSET', download, 'status', 'queued', 'due', due, 'place', place)
  redis.call('SET', 'arq:job:' .. arq_id, payload, 'PX', arq_ttl_ms)
  if due > now_ms() then
    redis.call('ZADD', 'arq:queue', due, arq_id)
    redis.call('ZADD', 'vidferry:delayed', due, arq_id)
  else
    redis.call('ZADD', 'arq:queue', order(download), arq_id)
    ring()
  end
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

-- A download has its place at its site for so long.
local function hold_site(download, download_id, until_ms)
  local site = redis.call('HGET', download, 'site')
  if site then
    redis.call('ZADD', 'vidferry:site:' .. site, until_ms, download_id)
    redis.call('EXPIRE', 'vidferry:site:' .. site, 3600) -- longer than any lease
  end
end

-- A download does not run any more: its lease and its arq job go, and the one that waits longest for its site may.
-- arq clears its own where an attempt returns; a killed worker's never does.
local function leave(download, download_id, arq_id)
  redis.call('ZREM', 'vidferry:leases', download_id)
  redis.call('ZREM', 'arq:queue', arq_id)
  redis.call('ZREM', 'vidferry:delayed', arq_id)
  redis.call('DEL', 'arq:job:' .. arq_id, 'arq:retry:' .. arq_id, 'arq:in-progress:' .. arq_id)
  local site = 'vidferry:site:' .. (redis.call('HGET', download, 'site') or '')
  redis.call('ZREM', site .. ':parked', arq_id)
  redis.call('ZREM', site, download_id)
  local next_one = redis.call('ZPOPMIN', site .. ':parked')
  if next_one[1] then
    redis.call('ZADD', 'arq:queue', 'XX', next_one[2], next_one[1])
    ring()
  end
end

-- The end of a download: nothing attaches to it any more.
local function close(download, download_id, ttl)
  redis.call('HSET', download, 'status', 'ended')
  for _, index in ipairs(redis.call('HMGET', download, 'address', 'identity')) do
    if index and redis.call('GET', index) == download_id then redis.call('DEL', index) end
  end
  redis.call('DEL', download .. ':steps')
  expire(download, ttl)
end

-- Ends a download and all its jobs. Returns the jobs' ids.
local function end_download(download, download_id, attempt, body, ttl)
  local jobs = tell(download, body, true, true, ttl)
  leave(download, download_id, download_id .. ':' .. attempt)
  close(download, download_id, ttl)
  return jobs
end
