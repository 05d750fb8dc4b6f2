-- Prepended, between tell.lua and lib.lua: what the records may take of Redis.
-- ENDED_RECORDS and ENDED_BYTES stand before it, from the settings.

-- Shares of maxmemory: from EVICTED on ended records go whatever the settings say, from REFUSED on no job is accepted.
-- From WATCHED on each script looks for itself; below it, what was seen LOOKED_MS ago counts where no more than
-- LOOKED_BYTES were taken since.
local WATCHED, EVICTED, REFUSED, LOOKED_MS, LOOKED_BYTES = 0.7, 0.8, 0.9, 100, 262144
-- So many stay even then: who made a job is told its end.
local NEWEST = 100

-- With its fraction: what comes within one millisecond keeps its order.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

-- Redis refuses a script's first write where its memory is used up, and none that follows one which takes nothing.
-- What runs goes on then: it was let in while there was room, and its end makes some.
local function admit(key)
  redis.call('HDEL', key, '')
end

-- Bytes that a key takes, as Redis counts them. 0 where there is none.
local function size_of(key)
  local bytes = redis.pcall('MEMORY', 'USAGE', key)
  if type(bytes) == 'table' then return 2048 end -- a server that does not tell
  return bytes or 0
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

-- That share, as of now where it matters, and the bytes that waiting and running records take.
local function look()
  local now, seen = now_ms(), redis.call('HMGET', 'vidferry:room', 'looked', 'share', 'open', 'looked_open')
  local share, open = tonumber(seen[2] or 1), tonumber(seen[3] or 0)
  local is_recent = share < WATCHED and math.abs(now - seen[1]) < LOOKED_MS
  if is_recent and open - seen[4] < LOOKED_BYTES then return share, open end
  share = measure()
  if share < WATCHED then
    redis.call('HSET', 'vidferry:room', 'looked', now, 'share', share, 'looked_open', open)
  else
    redis.call('HDEL', 'vidferry:room', 'looked', 'share')
  end
  return share, open
end

-- A download's record grows, by what is expected of it and of its jobs, or goes.
local function occupy(download, bytes)
  redis.call('HINCRBY', download, 'bytes', bytes)
  if redis.call('HINCRBY', 'vidferry:room', 'open', bytes) < 0 then redis.call('HSET', 'vidferry:room', 'open', 0) end
end

-- Deletes a job that has ended, and the Idempotency-Key that answers with it.
local function forget_job(job_id)
  local job = 'vidferry:job:' .. job_id
  local idempotency = redis.call('HGET', job, 'idempotency')
  redis.call('UNLINK', job, job .. ':history')
  if idempotency and idempotency ~= '' and redis.call('HGET', idempotency, 'job') == job_id then redis.call('UNLINK', idempotency) end
end

-- Deletes a download that has ended, and what its address led to unless a later one has found that again.
local function forget_download(download_id)
  local download = 'vidferry:download:' .. download_id
  local record = redis.call('HMGET', download, 'address', 'seen', 'seen_until')
  redis.call('UNLINK', download, download .. ':jobs')
  local running = record[1] and redis.call('GET', record[1])
  if running and redis.call('HGET', 'vidferry:download:' .. running, 'address') ~= record[1] then
    redis.call('UNLINK', record[1])
  end
  local until_s = record[3] and tonumber(record[3])
  if until_s and redis.call('TTL', record[2]) <= until_s - redis.call('TIME')[1] + 1 then
    redis.call('UNLINK', record[2])
  end
end

-- Deletes up to so many of the ended records, the oldest first, while there are more than there may be. What has
-- expired before leaves the line too, and what Redis' memory is short of is not waited for.
local function make_room(most, share)
  local bytes, records = tonumber(redis.call('HGET', 'vidferry:room', 'ended') or 0), redis.call('LLEN', 'vidferry:ended')
  local freed, spare = 0, share >= EVICTED and math.min(most, 16) or 0
  for _ = 1, most do
    local oldest = redis.call('LINDEX', 'vidferry:ended', 0)
    if not oldest then break end
    local kind, id, size = string.match(oldest, '^(%a)(%S+) (%d+)$')
    local key = (kind == 'j' and 'vidferry:job:' or 'vidferry:download:') .. id
    local over = spare > 0 and records > NEWEST or records > ENDED_RECORDS or bytes - freed > ENDED_BYTES
    if not over and redis.call('EXISTS', key) == 1 then break end
    redis.call('LPOP', 'vidferry:ended')
    if kind == 'j' then forget_job(id) else forget_download(id) end
    freed, records, spare = freed + size, records - 1, spare - 1
  end
  if freed > 0 then redis.call('HINCRBY', 'vidferry:room', 'ended', -freed) end
end

-- Records that have ended stand in line to be deleted. The largest takes less than 64 times what the smallest does, so
-- that the line can't grow whatever comes.
local function settle(jobs, download_id)
  local line, bytes = {}, 0
  local function stand(kind, id, size)
    if size > 0 then line[#line + 1], bytes = kind .. id .. ' ' .. size, bytes + size end
  end
  for _, job_id in ipairs(jobs) do
    local job = 'vidferry:job:' .. job_id
    stand('j', job_id, size_of(job) + size_of(job .. ':history'))
  end
  if download_id then
    local download = 'vidferry:download:' .. download_id
    stand('d', download_id, size_of(download) + size_of(download .. ':jobs'))
  end
  if bytes == 0 then return end
  redis.call('RPUSH', 'vidferry:ended', unpack(line))
  redis.call('HINCRBY', 'vidferry:room', 'ended', bytes)
  make_room(64 * #line, (look()))
end
