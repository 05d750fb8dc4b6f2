-- Prepended, after messages.lua, to the scripts that do more than publish.

local function download_key(download_id)
  return keys.DOWNLOAD .. download_id
end

-- A number in a body or a message: text of a title can't look like it, for its quotes are escaped.
local function number_in(text, field)
  return tonumber(string.match(text, '"' .. field .. '":([%d.]+)'))
end

-- Tells a job what it missed of a download, beyond what it has seen of another: the steps, then where it is now.
local function catch_up(job_id, download, ttl)
  local state = redis.call('HGET', keys.JOB .. job_id, 'state')
  local seen, body = state and number_in(state, 'progress') or -1, redis.call('HGET', download, 'body')
  for _, missed in ipairs(redis.call('LRANGE', download .. keys.STEPS, 0, -1)) do
    if number_in(missed, 'progress') > seen then deliver(job_id, missed, true, ttl) end
  end
  if redis.call('LINDEX', download .. keys.STEPS, -1) ~= body and number_in(body, 'progress') >= seen then
    deliver(job_id, body, false, ttl)
  end
end

local function ring()
  if redis.call('LPUSH', keys.DOORBELL, '1') > 1000 then redis.call('LTRIM', keys.DOORBELL, 0, 999) end
end

-- From when on a download has waited for its turn, less the head start of its class.
local function order(download)
  local record = redis.call('HMGET', download, 'queued_since', 'head_start')
  return record[1] - record[2]
end

-- Whom a download shares the slots with: what runs at its site, and what its caller asked for.
local function groups_of(site, caller)
  local groups = site and { keys.SITE .. site } or {}
  if site and (caller or '') ~= '' then groups[2] = keys.CALLER .. caller end
  return groups
end

-- What is parked stands in a line with those of the same groups; the line waits for one of these. A site that is full
-- holds up no caller, nor a caller a site: what a free place is worth nothing to steps aside with its whole line.
local function line_of(groups)
  return table.concat(groups, ' ')
end

-- A line waits in the order of the one at its head.
local function rank(groups)
  local line = line_of(groups)
  local head = redis.call('ZRANGE', keys.LINE .. line, 0, 0, 'WITHSCORES')
  for _, group in ipairs(groups) do
    if head[1] then
      redis.call('ZADD', group .. keys.PARKED, 'XX', head[2], line)
    else
      redis.call('ZREM', group .. keys.PARKED, line)
    end
  end
end

local function unpark(groups, arq_id)
  if redis.call('ZREM', keys.LINE .. line_of(groups), arq_id) == 1 then rank(groups) end
end

-- A place in a group may be free: the one that waits longest for it is looked at again. What has expired while it
-- waited is put before a worker too, which clears it away, but takes no place, so the next one is woken as well.
local function wake(group)
  for _ = 1, 100 do
    local line = redis.call('ZRANGE', group .. keys.PARKED, 0, 0)[1]
    if not line then return end
    local first = redis.call('ZPOPMIN', keys.LINE .. line)
    local second = redis.call('ZRANGE', keys.LINE .. line, 0, 0, 'WITHSCORES')
    if second[1] then
      redis.call('ZADD', group .. keys.PARKED, second[2], line)
    else
      redis.call('ZREM', group .. keys.PARKED, line)
    end
    if first[1] and redis.call('ZADD', keys.QUEUE, 'XX', 'CH', first[2], first[1]) == 1 then
      ring()
      if redis.call('EXISTS', download_key(string.match(first[1], '^(.*):%d+$'))) == 1 then return end
    end
  end
end

-- Somebody in more of a hurry waits for a download as well.
local function hasten(download, download_id, head_start)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'head_start', 'site', 'caller')
  if tonumber(record[3]) >= tonumber(head_start) then return end
  redis.call('HSET', download, 'head_start', head_start)
  local arq_id = download_id .. ':' .. (record[2] + 1)
  local score = record[1] == 'queued' and redis.call('ZSCORE', keys.QUEUE, arq_id)
  if not score then return end
  if tonumber(score) == keys.PARKED_SCORE then
    local groups = groups_of(record[4], record[5])
    redis.call('ZADD', keys.LINE .. line_of(groups), 'XX', order(download), arq_id)
    rank(groups)
  elseif tonumber(score) <= now_ms() then
    redis.call('ZADD', keys.QUEUE, 'XX', order(download), arq_id)
  end
end

-- Puts an attempt on arq's queue at its score and wakes a worker, or leaves it there until it is due.
-- arq: its job's id, payload and the ms that it is kept.
local function enqueue(arq, due, score)
  redis.call('SET', keys.ARQ_JOB .. arq.id, arq.payload, 'PX', arq.ms)
  if due > now_ms() then
    redis.call('ZADD', keys.QUEUE, due, arq.id)
    redis.call('ZADD', keys.DELAYED, due, arq.id)
  else
    redis.call('ZADD', keys.QUEUE, score, arq.id)
    ring()
  end
end

-- A download has its place in its groups for so long.
local function hold_places(groups, download_id, until_ms)
  for _, group in ipairs(groups) do
    redis.call('ZADD', group, until_ms, download_id)
    redis.call('EXPIRE', group, 3600) -- longer than any lease
  end
end

-- A download does not run any more: its lease, its places and its arq job go, and those that wait longest for them may.
-- arq clears its own where an attempt returns; a killed worker's never does.
local function leave(download, download_id, arq_id)
  redis.call('ZREM', keys.LEASES, download_id)
  redis.call('ZREM', keys.QUEUE, arq_id)
  redis.call('ZREM', keys.DELAYED, arq_id)
  redis.call('DEL', keys.ARQ_JOB .. arq_id)
  local record = redis.call('HMGET', download, 'site', 'caller')
  local groups = groups_of(record[1], record[2])
  unpark(groups, arq_id)
  for _, group in ipairs(groups) do
    redis.call('ZREM', group, download_id)
    wake(group)
  end
end

-- The end of a download: nothing attaches to it any more. That it ended, and by which body, stays for a while: whoever
-- ran it may not have heard of it.
local function close(download, download_id, body)
  local record = redis.call('HMGET', download, 'bytes', 'download_by_object', 'download_by_url', 'merged', 'attempt', 'retries',
    'worker_losses')
  local doomed = { download, download .. keys.STEPS }
  for index in string.gmatch(table.concat({ record[2] or '', record[3], record[4] or '' }, ' '), '%S+') do
    if redis.call('GET', index) == download_id then doomed[#doomed + 1] = index end
  end
  redis.call('DEL', unpack(doomed))
  redis.call('HSET', download, 'status', 'ended', 'attempt', record[5], 'retries', record[6], 'worker_losses', record[7],
    'body', body and redis.sha1hex(body) or '')
  occupy(-record[1])
  expire(download, whole_s())
end

-- What a job's record keeps of its download, beside what it was told: the facts given, and the picture where there is one.
local function facts_of(download, facts)
  local thumbnail = redis.call('HGET', download, 'thumbnail')
  if thumbnail then
    facts[#facts + 1] = 'thumbnail'
    facts[#facts + 1] = thumbnail
  end
  return facts
end

-- Ends a download and all its jobs, which are told facts of it: field, value for each. Returns the jobs' ids.
local function end_download(download, download_id, attempt, body, facts, known, ttl)
  local jobs, line = redis.call('SMEMBERS', download .. keys.JOBS), {}
  for _, job_id in ipairs(jobs) do
    line[#line + 1] = end_job(job_id, body, facts, #line == 0 and known or nil, ttl)
  end
  leave(download, download_id, download_id .. ':' .. attempt)
  close(download, download_id, body)
  settle(line)
  return jobs
end
