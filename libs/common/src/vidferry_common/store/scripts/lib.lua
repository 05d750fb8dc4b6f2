-- Functions of the queue and of a download's end. It stands, after messages.lua and room.lua, before every script but publish.

local function download_key(download_id)
  return keys.DOWNLOAD .. download_id
end

-- A number field of a body or a message. A title can't imitate it: its quotes are escaped. Metadata can't either: it stands
-- behind the body.
local function number_in(text, field)
  return tonumber(string.match(text, '"' .. field .. '":([%d.]+)'))
end

-- Tells a job the steps of a download that it has not seen yet, of this or another one, then where the download is now.
local function deliver_missed(job_id, download, ttl)
  local state = redis.call('HGET', keys.JOB .. job_id, 'state')
  local seen, body = state and number_in(state, 'progress') or -1, redis.call('HGET', download, 'body')
  for _, missed in ipairs(redis.call('LRANGE', download .. keys.STEPS, 0, -1)) do
    if number_in(missed, 'progress') > seen then deliver(job_id, missed, true, ttl) end
  end
  if redis.call('LINDEX', download .. keys.STEPS, -1) ~= body and number_in(body, 'progress') >= seen then
    deliver(job_id, body, false, ttl, true)
  end
end

local function ring_doorbell()
  if redis.call('LPUSH', keys.DOORBELL, '1') > 1000 then redis.call('LTRIM', keys.DOORBELL, 0, 999) end
end

-- A download's place in the queue: the time since which it waits, less the head start of its class.
local function queue_order(download)
  local record = redis.call('HMGET', download, 'queued_since', 'head_start')
  return record[1] - record[2]
end

-- The groups that a download counts for: the downloads of its site, and those of its caller.
local function groups_of(site, caller)
  local groups = site and { keys.SITE .. site } or {}
  if site and (caller or '') ~= '' then groups[2] = keys.CALLER .. caller end
  return groups
end

-- Parked downloads of the same groups form a line, and the line waits for one of its groups. So a full site holds up no
-- caller, and a full caller no site: a line that can't use a free place moves to the other group as a whole.
local function line_of(groups)
  return table.concat(groups, ' ')
end

-- Orders a line among those that wait for the same group, by the download at its head.
local function rank_line(groups)
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
  if redis.call('ZREM', keys.LINE .. line_of(groups), arq_id) == 1 then rank_line(groups) end
end

-- A place in a group may be free: makes the download that waits longest for it ready again. One whose record has expired
-- becomes ready too, for a worker to clear it away. It takes no place, so the next one is made ready as well.
local function wake_next(group)
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
      ring_doorbell()
      if redis.call('EXISTS', download_key(string.match(first[1], '^(.*):%d+$'))) == 1 then return end
    end
  end
end

-- A job with a larger head start has joined a download: moves the download forward in the queue.
local function raise_head_start(download, download_id, head_start)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'head_start', 'site', 'caller')
  if tonumber(record[3]) >= tonumber(head_start) then return end
  redis.call('HSET', download, 'head_start', head_start)
  local arq_id = download_id .. ':' .. (record[2] + 1)
  local score = record[1] == 'queued' and redis.call('ZSCORE', keys.QUEUE, arq_id)
  if not score then return end
  if tonumber(score) == keys.PARKED_SCORE then
    local groups = groups_of(record[4], record[5])
    redis.call('ZADD', keys.LINE .. line_of(groups), 'XX', queue_order(download), arq_id)
    rank_line(groups)
  elseif tonumber(score) <= now_ms() then
    redis.call('ZADD', keys.QUEUE, 'XX', queue_order(download), arq_id)
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
    ring_doorbell()
  end
end

-- Gives a download its place in its groups until that time.
local function hold_places(groups, download_id, until_ms)
  for _, group in ipairs(groups) do
    redis.call('ZADD', group, until_ms, download_id)
    redis.call('EXPIRE', group, 3600) -- longer than any lease
  end
end

-- An attempt has ended: removes its lease, its places and its arq job, and makes ready what waits longest for the places.
-- arq removes its own job where an attempt returns; that of a killed worker would stay.
local function leave_queue(download, download_id, arq_id)
  redis.call('ZREM', keys.LEASES, download_id)
  redis.call('ZREM', keys.QUEUE, arq_id)
  redis.call('ZREM', keys.DELAYED, arq_id)
  redis.call('DEL', keys.ARQ_JOB .. arq_id)
  local record = redis.call('HMGET', download, 'site', 'caller')
  local groups = groups_of(record[1], record[2])
  unpark(groups, arq_id)
  for _, group in ipairs(groups) do
    redis.call('ZREM', group, download_id)
    wake_next(group)
  end
end

-- Ends the record of a download: no job attaches to it any more. That it ended, and with which body, is kept for a while,
-- for a worker whose reply was lost.
local function close_download(download, download_id, body)
  local record = redis.call('HMGET', download, 'bytes', 'download_by_object', 'download_by_url', 'merged', 'attempt', 'retries',
    'worker_losses')
  local deleted = { download, download .. keys.STEPS }
  for index in string.gmatch(table.concat({ record[2] or '', record[3], record[4] or '' }, ' '), '%S+') do
    if redis.call('GET', index) == download_id then deleted[#deleted + 1] = index end
  end
  redis.call('DEL', unpack(deleted))
  redis.call('HSET', download, 'status', 'ended', 'attempt', record[5], 'retries', record[6], 'worker_losses', record[7],
    'body', body and redis.sha1hex(body) or '')
  add_open_bytes(-record[1])
  set_expiry(download, extras_seconds())
end

-- The facts of a download that a job's record keeps beside its last message: those given, and the thumbnail if there is one.
local function facts_of(download, facts)
  local thumbnail = redis.call('HGET', download, 'thumbnail')
  if thumbnail then
    facts[#facts + 1] = 'thumbnail'
    facts[#facts + 1] = thumbnail
  end
  return facts
end

-- Ends a download and all its jobs, whose records keep the facts: field, value, … Returns the jobs' ids.
-- args: record_seconds and expires_at, as end_job takes them.
local function end_download(download, download_id, attempt, body, facts, known, args)
  local jobs, line = redis.call('SMEMBERS', download .. keys.JOBS), {}
  for _, job_id in ipairs(jobs) do
    line[#line + 1] = end_job(job_id, body, facts, #line == 0 and known or nil, args)
  end
  leave_queue(download, download_id, download_id .. ':' .. attempt)
  close_download(download, download_id, body)
  append_ended(line)
  return jobs
end
