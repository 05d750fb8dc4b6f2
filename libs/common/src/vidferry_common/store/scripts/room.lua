-- Prepended, between messages.lua and lib.lua: what the records may take of Redis.
-- ENDED_RECORDS and ENDED_BYTES stand before it, from the settings.

-- Shares of maxmemory: from EVICTED on ended records go whatever the settings say, from REFUSED on no job is accepted.
-- From WATCHED on each script looks for itself; below it, what was seen LOOKED_MS ago counts where no more than
-- LOOKED_BYTES were taken since.
local WATCHED, EVICTED, REFUSED, LOOKED_MS, LOOKED_BYTES = 0.7, 0.8, 0.9, 100, 262144
-- So many stay even then: who made a job is told its end.
local NEWEST = 100

-- Seconds for which the history of a job that has ended and the record of its download stay: below WATCHED, and above.
local WHOLE_S, WHOLE_WATCHED_S = 300, 10
-- Bytes that an ended job takes beside what its key holds: its expiry and its place in line, and each key that goes with it.
local BESIDE, EACH = 320, 240

local clock
-- With its fraction: what comes within one millisecond keeps its order. To Redis a script is one moment.
local function now_ms()
  if not clock then
    local time = redis.call('TIME')
    clock = time[1] * 1000 + time[2] / 1000
  end
  return clock
end

-- Redis refuses a script's first write where its memory is used up, and none that follows one which takes nothing.
-- What runs goes on then: it was let in while there was room, and its end makes some.
local function admit(key)
  redis.call('HDEL', key, '')
end

-- The share of maxmemory that is used; 0 where there is no bound, or the server does not tell.
local function measure()
  local told = redis.pcall('INFO', 'memory')
  if type(told) ~= 'string' then return 0 end
  local function figure(name)
    local _, at = string.find(told, '\n' .. name .. ':', 1, true)
    return at and tonumber(string.match(told, '^%d+', at + 1)) or 0
  end
  local most = figure('maxmemory')
  return most > 0 and (figure('used_memory') - figure('mem_not_counted_for_evict')) / most or 0
end

local share_seen, open_seen
-- That share, as of now where it matters, and the bytes that waiting and running records take; the same all script long.
local function look()
  if share_seen then return share_seen, open_seen end
  local now, seen = now_ms(), redis.call('HMGET', keys.ROOM, 'looked', 'share', 'open', 'looked_open')
  local share, open = tonumber(seen[2] or 1), tonumber(seen[3] or 0)
  local is_recent = share < WATCHED and math.abs(now - seen[1]) < LOOKED_MS and open - seen[4] < LOOKED_BYTES
  if not is_recent then
    share = measure()
    if share < WATCHED then
      redis.call('HSET', keys.ROOM, 'looked', now, 'share', share, 'looked_open', open)
    else
      redis.call('HDEL', keys.ROOM, 'looked', 'share')
    end
  end
  share_seen, open_seen = share, open
  return share, open
end

-- Waiting and running records take so many bytes more, as they are foreseen.
local function occupy(bytes)
  if redis.call('HINCRBY', keys.ROOM, 'open', bytes) < 0 then redis.call('HSET', keys.ROOM, 'open', 0) end
end

-- How long that stays which is asked for only by those who were cut off around the end.
local function whole_s()
  return look() < WATCHED and WHOLE_S or WHOLE_WATCHED_S
end

-- The end of a job: its last message, and all that stays of its record, which is what it is asked for from now on.
-- facts: field, value of that record for each. known: where the job's URL leads to, as finish.lua tells it, or nil.
-- Returns the job's place in the line of what has ended; nil where it had ended before.
local function end_job(job_id, body, facts, known, ttl)
  local job = keys.JOB .. job_id
  local record = redis.call('HMGET', job, 'epoch', 'traceparent', 'public_root', 'seq', 'attempt_offset', 'request', 'created',
    'idempotency')
  if not record[1] then return end
  local message = compose(job_id, record, body, true)
  redis.call('DEL', job) -- a hash keeps the room of fields that are deleted one by one
  redis.call('HSET', job, 'request', record[6], 'created', record[7], 'state', message, unpack(facts))
  redis.call('EXPIRE', job, ttl)
  redis.call('RPUSH', job .. keys.HISTORY, message)
  redis.call('EXPIRE', job .. keys.HISTORY, whole_s())
  redis.call('PUBLISH', keys.CHANNEL .. job_id, message)
  local size = redis.pcall('MEMORY', 'USAGE', job, 'SAMPLES', 0)
  if type(size) == 'table' then size = 1024 + #message + #record[6] end -- a server that does not tell
  local idempotency = record[8] ~= '' and record[8]
  size = size + BESIDE + (idempotency and EACH or 0) + (known and EACH or 0)
  return job_id .. ' ' .. size .. ' ' .. (idempotency or '-') .. ' ' .. (known or '- 0')
end

-- Deletes a job that has ended, the Idempotency-Key that answers with it, and what its URL led to unless a later one
-- has found that again.
local function forget(job_id, idempotency, object_by_url, known_until)
  local job = keys.JOB .. job_id
  redis.call('UNLINK', job, job .. keys.HISTORY)
  if idempotency ~= '-' and redis.call('GET', idempotency) == job_id then redis.call('UNLINK', idempotency) end
  if object_by_url ~= '-' and redis.call('PTTL', object_by_url) <= known_until - now_ms() + 1000 then
    redis.call('UNLINK', object_by_url)
  end
end

-- Deletes up to so many of the ended jobs, the oldest first, while there are more than there may be. What has expired
-- before leaves the line too, and what Redis' memory is short of is not waited for.
local function make_room(most, share, jobs, bytes)
  local freed, short = 0, share >= EVICTED and math.min(most, 16) or 0
  for _ = 1, most do
    local oldest = redis.call('LINDEX', keys.ENDED, 0)
    if not oldest then break end
    local job_id, size, idempotency, object_by_url, known_until = string.match(oldest, '^(%S+) (%d+) (%S+) (%S+) (%d+)$')
    local over = short > 0 and jobs > NEWEST or jobs > ENDED_RECORDS or bytes - freed > ENDED_BYTES
    if not over and redis.call('EXISTS', keys.JOB .. job_id) == 1 then break end
    redis.call('LPOP', keys.ENDED)
    forget(job_id, idempotency, object_by_url, known_until)
    freed, jobs, short = freed + size, jobs - 1, short - 1
  end
  if freed > 0 then redis.call('HINCRBY', keys.ROOM, 'ended', -freed) end
end

-- Jobs that have ended stand in line to be deleted. The largest takes less than 64 times what the smallest does, so
-- that the line can't grow whatever comes.
local function settle(line)
  if not line[1] then return end
  local bytes = 0
  for _, place in ipairs(line) do bytes = bytes + string.match(place, ' (%d+)') end
  local jobs = redis.call('RPUSH', keys.ENDED, unpack(line))
  make_room(64 * #line, (look()), jobs, redis.call('HINCRBY', keys.ROOM, 'ended', bytes))
end
