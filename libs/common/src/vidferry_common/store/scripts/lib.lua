-- Functions of the queue and of a download's end. It stands, after the other libraries, before every script but publish.

-- The functions of pauses.lua, for downloads whose site pauses: define_pauses() has to be called before. In one table, since each
-- variable that a function shares costs every call of every script.
local define_pauses, pauses

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

local function ring_doorbell(list)
  if redis.call('LPUSH', list, '1') > 1000 then redis.call('LTRIM', list, 0, 999) end
end

-- A download's place among those of its caller: the time since which it waits, less the head start of its class.
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

-- Callers take turns. One download of a caller is ready, and its others wait in their lines until that one is picked. The
-- next then counts as waiting since the caller was served: behind the first of every caller who has waited for longer.
-- A download that has waited for the longest head start has that head start too, so bulk requests never starve.
local function turn_order(queued_since, head_start, served)
  if now_ms() - queued_since >= keys.LONGEST_HEAD_START then head_start = keys.LONGEST_HEAD_START end
  return math.max(queued_since, served or 0) - head_start
end

-- The order in which an arq id is ready; nil where it is parked, runs, or has left the queue.
local function ready_order(arq_id)
  local score = tonumber(arq_id and arq_id ~= '' and redis.call('ZSCORE', keys.QUEUE, arq_id) or nil)
  return score and score <= now_ms() and score or nil
end

-- It is deleted once nothing of the caller waits or runs, and expires where Redis lost what would have led to that.
local function set_turn(caller_group, ...)
  if redis.call('HSET', caller_group .. keys.TURN, ...) > 0 then redis.call('EXPIRE', caller_group .. keys.TURN, 86400) end
end

-- Orders a line among those that wait for the same group. For a caller's places by the download at its head. For a site's
-- by the line's turn, which begins anew when the line is served: it is never before that of its head.
local function rank_line(groups)
  local line = line_of(groups)
  local head = redis.call('ZRANGE', keys.LINE .. line, 0, 0, 'WITHSCORES')
  for kind, group in ipairs(groups) do
    if not head[1] then
      redis.call('ZREM', group .. keys.PARKED, line)
    elseif kind == 1 and groups[2] then
      redis.call('ZADD', group .. keys.PARKED, 'XX', 'GT', head[2], line)
    else
      redis.call('ZADD', group .. keys.PARKED, 'XX', head[2], line)
    end
  end
end

local function unpark(groups, arq_id)
  if redis.call('ZREM', keys.LINE .. line_of(groups), arq_id) == 1 then rank_line(groups) end
end

-- The rank of a line at a site once its first has left for a free place. Lines of unknown callers take no turns.
local function rank_after_turn(line, head)
  if not string.find(line, ' ', 1, true) then return head[2] end
  local record = redis.call('HMGET', download_key(string.match(head[1], '^(.*):%d+$')), 'queued_since', 'head_start')
  return record[1] and turn_order(record[1], record[2], now_ms()) or head[2]
end

-- Takes the first of the line that has waited longest for a group. Returns its arq id, if the line had one, and the rank
-- of the line; nothing where no line waits.
local function take_from_lines(group, by_turns)
  local first = redis.call('ZRANGE', group .. keys.PARKED, 0, 0, 'WITHSCORES')
  local line = first[1]
  if not line then return end
  local taken = redis.call('ZPOPMIN', keys.LINE .. line)
  local head = redis.call('ZRANGE', keys.LINE .. line, 0, 0, 'WITHSCORES')
  if head[1] then
    redis.call('ZADD', group .. keys.PARKED, by_turns and rank_after_turn(line, head) or head[2], line)
  else
    redis.call('ZREM', group .. keys.PARKED, line)
  end
  return taken[1] or '', first[2]
end

-- A place of a site may be free: makes the download whose turn it is ready. One whose record has expired becomes ready
-- too, for a worker to clear it away. It takes no place, so the next one is made ready as well.
local function wake_for_site(group)
  for _ = 1, 100 do
    local arq_id, rank = take_from_lines(group, true)
    if not arq_id then return end
    if redis.call('ZADD', keys.QUEUE, 'XX', 'CH', rank, arq_id) == 1 then
      ring_doorbell(keys.DOORBELL)
      if redis.call('EXISTS', download_key(string.match(arq_id, '^(.*):%d+$'))) == 1 then return true end
    end
  end
end

-- The same for a caller, unless one of its downloads is ready already.
local function wake_for_caller(group)
  local turn = redis.call('HMGET', group .. keys.TURN, 'ready', 'served')
  if ready_order(turn[1]) then return end
  for _ = 1, 100 do
    local arq_id, rank = take_from_lines(group, false)
    if not arq_id then break end
    local record = redis.call('HMGET', download_key(string.match(arq_id, '^(.*):%d+$') or ''), 'queued_since', 'head_start')
    local order = record[1] and turn_order(record[1], record[2], turn[2]) or rank
    if redis.call('ZADD', keys.QUEUE, 'XX', 'CH', order, arq_id) == 1 then
      ring_doorbell(keys.DOORBELL)
      if record[1] then
        set_turn(group, 'ready', arq_id)
        return true
      end
    end
  end
  if (turn[1] or turn[2]) and redis.call('EXISTS', group) == 0 then redis.call('DEL', group .. keys.TURN) end
end

-- Returns whether one has become ready that takes a place.
local function wake_next(kind, group)
  if kind == 1 then return wake_for_site(group) end
  return wake_for_caller(group)
end

-- Puts an attempt into its line until its caller's turn comes. A line that waits for its site stays there.
local function wait_for_turn(groups, arq_id, order, turn)
  local line = line_of(groups)
  redis.call('ZADD', keys.LINE .. line, order, arq_id)
  redis.call('ZADD', keys.QUEUE, keys.PARKED_SCORE, arq_id)
  if redis.call('ZSCORE', groups[1] .. keys.PARKED, line) then
    redis.call('ZADD', groups[1] .. keys.PARKED, 'LT', turn, line)
  else
    redis.call('ZADD', groups[2] .. keys.PARKED, 'LT', order, line)
  end
end

-- Puts back the ready download of a caller: another one of the same caller goes before it.
local function put_back(arq_id, served)
  local record = redis.call('HMGET', download_key(string.match(arq_id, '^(.*):%d+$')), 'site', 'caller', 'queued_since', 'head_start')
  local groups = groups_of(record[1], record[2])
  if not groups[2] then return end
  wait_for_turn(groups, arq_id, record[3] - record[4], turn_order(record[3], record[4], served))
end

-- Makes an attempt ready, or parks it where another one of its caller is ready and goes before it.
local function line_up(groups, arq_id, queued_since, head_start)
  local caller = groups[2]
  if caller then
    local turn = redis.call('HMGET', caller .. keys.TURN, 'ready', 'served')
    local first, order = ready_order(turn[1]), turn_order(queued_since, head_start, turn[2])
    if first and first <= order and turn[1] ~= arq_id then return wait_for_turn(groups, arq_id, queued_since - head_start, order) end
    redis.call('ZADD', keys.QUEUE, order, arq_id)
    if first and turn[1] ~= arq_id then put_back(turn[1], turn[2]) end
    set_turn(caller, 'ready', arq_id)
  else
    redis.call('ZADD', keys.QUEUE, queued_since - head_start, arq_id)
  end
  ring_doorbell(keys.DOORBELL)
end

-- A job with a larger head start has joined a download: moves the download forward in the queue.
local function raise_head_start(download, download_id, head_start)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'head_start', 'site', 'caller', 'queued_since', 'pause', 'refusals')
  if tonumber(record[3]) >= tonumber(head_start) then return end
  redis.call('HSET', download, 'head_start', head_start)
  local arq_id = download_id .. ':' .. (record[2] + 1)
  local score = tonumber(record[1] == 'queued' and redis.call('ZSCORE', keys.QUEUE, arq_id) or nil)
  if not score then
    -- One that was refused stays behind the others.
    if record[7] and not record[8] then
      define_pauses()
      pauses.reorder(record[7], arq_id, record[6] - head_start)
    end
    return
  end
  local groups = groups_of(record[4], record[5])
  if score == keys.PARKED_SCORE then
    unpark(groups, arq_id)
    line_up(groups, arq_id, record[6], head_start)
  elseif score <= now_ms() then
    line_up(groups, arq_id, record[6], head_start)
  end
end

-- Keeps the arq job of an attempt: its id, its payload, and the ms that it is kept.
local function store_arq_job(arq)
  redis.call('SET', keys.ARQ_JOB .. arq.id, arq.payload, 'PX', arq.ms)
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
-- site_answered: whether the attempt has shown that its site answers, which ends a pause whose trial it was.
local function leave_queue(download, download_id, arq_id, site_answered)
  redis.call('ZREM', keys.LEASES, download_id)
  redis.call('ZREM', keys.QUEUE, arq_id)
  redis.call('ZREM', keys.DELAYED, arq_id)
  redis.call('DEL', keys.ARQ_JOB .. arq_id)
  local record = redis.call('HMGET', download, 'site', 'caller', 'pause')
  local groups = groups_of(record[1], record[2])
  unpark(groups, arq_id)
  if record[3] then
    define_pauses()
    pauses.leave(record[3], download_id, arq_id, site_answered)
  end
  for kind, group in ipairs(groups) do
    redis.call('ZREM', group, download_id)
    wake_next(kind, group)
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
-- args: record_seconds and expires_at, as end_job takes them, and site_answered, as leave_queue does.
local function end_download(download, download_id, attempt, body, facts, known, args)
  local jobs = redis.call('SMEMBERS', download .. keys.JOBS)
  for i, job_id in ipairs(jobs) do end_job(job_id, body, facts, i == 1 and known or nil, args) end
  leave_queue(download, download_id, download_id .. ':' .. attempt, args.site_answered)
  close_download(download, download_id, body)
  make_room_for_ended(args)
  return jobs
end
