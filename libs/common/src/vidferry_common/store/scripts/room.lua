-- Bounds on the memory that records take in Redis, and the end of a job. It stands behind clock.lua.
-- ENDED_RECORDS and ENDED_BYTES are put before it, from the settings.

-- Shares of maxmemory. From EVICTED on ended records are deleted whatever the settings say, from REFUSED on no job is
-- accepted. From WATCHED on each script measures the memory; below it, a measure counts for LOOKED_MS, unless more than
-- LOOKED_BYTES were taken since.
local WATCHED, EVICTED, REFUSED, LOOKED_MS, LOOKED_BYTES = 0.7, 0.8, 0.9, 100, 262144
-- This many ended jobs are kept even then, so that callers can read how their jobs ended.
local NEWEST = 100

-- Seconds for which the history of an ended job and the record of its download are kept, below WATCHED and above.
local EXTRAS_S, EXTRAS_WATCHED_S = 300, 10
-- Bytes of an ended job beside its own key: its expiry, its element in the list of ended jobs and its place among its owner's
-- jobs, and each further key. LOG_BYTES: of what became of its events.
local EXTRA_BYTES, KEY_BYTES, LOG_BYTES = 470, 240, 4096

local DAY_MS = 86400000
-- The key of the bytes that were uploaded for an owner on this day (UTC).
local function day_key(owner)
  return keys.OWNER_BYTES .. math.floor(now_ms() / DAY_MS) .. ':' .. owner
end

-- Makes a write that takes no memory. Where Redis' memory is used up it refuses a script's first write if that takes some,
-- but none that follows an accepted one. So what runs goes on: it was accepted while there was room, and its end frees some.
local function allow_writes(key)
  redis.call('HDEL', key, '')
end

-- The share of maxmemory that is used; 0 where there is no limit, or the server does not tell.
local function measure_memory()
  local told = redis.pcall('INFO', 'memory')
  if type(told) ~= 'string' then return 0 end
  local function read_figure(name)
    local _, at = string.find(told, '\n' .. name .. ':', 1, true)
    return at and tonumber(string.match(told, '^%d+', at + 1)) or 0
  end
  local most = read_figure('maxmemory')
  return most > 0 and (read_figure('used_memory') - read_figure('mem_not_counted_for_evict')) / most or 0
end

local share_seen, open_seen, undelivered_seen
-- What this script has ended since it last made room: jobs, and their bytes.
local added_jobs, added_bytes = 0, 0
-- The ended jobs of all lists, and their bytes. older_jobs and older_bytes: of the list of a release that had one for all owners.
local ended_jobs, ended_bytes, older_jobs, older_bytes
-- That share, measured now where it is high, the bytes of waiting and running records, and those of events that wait for
-- their receivers. The same throughout a script.
local function look_at_memory()
  if share_seen then return share_seen, open_seen, undelivered_seen end
  local now = now_ms()
  local seen = redis.call('HMGET', keys.ROOM, 'looked', 'share', 'open', 'looked_open', 'undelivered', 'ended_jobs',
    'ended_bytes', 'ended')
  local share, open = tonumber(seen[2] or 1), tonumber(seen[3] or 0)
  local is_recent = share < WATCHED and math.abs(now - seen[1]) < LOOKED_MS and open - seen[4] < LOOKED_BYTES
  if not is_recent then
    share = measure_memory()
    if share < WATCHED then
      redis.call('HSET', keys.ROOM, 'looked', now, 'share', share, 'looked_open', open)
    else
      redis.call('HDEL', keys.ROOM, 'looked', 'share')
    end
  end
  share_seen, open_seen, undelivered_seen = share, open, tonumber(seen[5] or 0)
  ended_jobs, ended_bytes, older_bytes = tonumber(seen[6] or 0), tonumber(seen[7] or 0), tonumber(seen[8] or 0)
  return share_seen, open_seen, undelivered_seen
end

-- Counts the foreseen bytes of records that wait or run; negative when they end.
local function add_open_bytes(bytes)
  if redis.call('HINCRBY', keys.ROOM, 'open', bytes) < 0 then redis.call('HSET', keys.ROOM, 'open', 0) end
end

-- How long the history and the download's record are kept, for clients that were cut off around the job's end.
local function extras_seconds()
  return look_at_memory() < WATCHED and EXTRAS_S or EXTRAS_WATCHED_S
end

-- Appends a job to its owner's list of those that have ended. size: its bytes; the rest is deleted with it.
local function append_ended(list, job_id, size, idempotency, known)
  look_at_memory()
  redis.call('RPUSH', list, job_id .. ' ' .. size .. ' ' .. (idempotency or '-') .. ' ' .. (known or '- 0'))
  redis.call('ZINCRBY', keys.ENDED_LISTS, size, list)
  ended_jobs, ended_bytes, added_jobs, added_bytes = ended_jobs + 1, ended_bytes + size, added_jobs + 1, added_bytes + size
end

-- Ends a job: sends its last message, and replaces its record by the little that is asked for from now on.
-- facts: field, value, … of that record. known: the key of what its URL leads to, as finish.lua writes it, or nil.
-- args: record_seconds, and expires_at, the time at which the record will have gone by then. An older release sends none.
-- more_bytes: what else goes with the record. Whoever has ended jobs calls make_room_for_ended().
local function end_job(job_id, body, facts, known, args, more_bytes)
  local job = keys.JOB .. job_id
  local record = redis.call('HMGET', job, 'epoch', 'traceparent', 'public_root', 'seq', 'attempt_offset', 'document', 'request',
    'created', 'idempotency', 'owner', 'site', 'by_external_id', 'kind', 'batch', 'webhook')
  if not record[1] then return end
  if record[6] then -- its last member is `"expires_at":null`
    record[6] = string.sub(record[6], 1, -5) .. '"' .. args.expires_at .. '"'
  end
  local message, seq = compose_message(job_id, record, body, true)
  if (record[14] or record[15]) and not note_child then define_rest() end
  local request, created, idempotency, owner, site, by_external_id, kind, counted, webhook = unpack(record, 7, 15)
  redis.call('DEL', job) -- a hash does not give back the memory of fields that are deleted one by one
  redis.call('HSET', job, 'request', request, 'created', created, 'owner', owner or '', 'state', message,
    'filed', string.match(message, '"status":"([a-z]+)"') .. ' ' .. (site or '') .. (kind and ' ' .. kind or ''), unpack(facts))
  if by_external_id then redis.call('HSET', job, 'by_external_id', by_external_id) end
  if counted then
    note_child(counted, body)
    redis.call('HSET', job, 'batch', '1') -- tells settle_batch.lua that it is counted
  end
  redis.call('EXPIRE', job, args.record_seconds)
  redis.call('ZREM', keys.OPEN_JOBS .. (owner or ''), job_id)
  redis.call('RPUSH', job .. keys.HISTORY, message)
  redis.call('EXPIRE', job .. keys.HISTORY, extras_seconds())
  redis.call('PUBLISH', keys.CHANNEL .. job_id, message)
  if webhook then
    redis.call('HSET', job, 'webhook', webhook)
    add_end_event(job_id, webhook, seq, message, args.record_seconds)
  end
  local size = redis.pcall('MEMORY', 'USAGE', job, 'SAMPLES', 0)
  if type(size) == 'table' then size = 1024 + #message + #request end -- a server that does not tell
  idempotency = idempotency ~= '' and idempotency
  size = size + EXTRA_BYTES + (idempotency and KEY_BYTES or 0) + (known and KEY_BYTES or 0) + (by_external_id and KEY_BYTES or 0)
    + (webhook and LOG_BYTES or 0) + (more_bytes or 0)
  append_ended((kind == 'probe' and keys.ENDED_PROBES or keys.ENDED_JOBS) .. (owner or ''), job_id, size, idempotency, known)
end

-- Deletes a job that has ended, its places in the indexes, the Idempotency-Key that leads to it, and what its URL led to
-- unless a later job has found that again. A record that has expired can't tell its indexes;
-- create.lua and list_jobs.lua drop its id.
local function delete_ended_job(job_id, idempotency, object_by_url, known_until)
  local job = keys.JOB .. job_id
  local record = redis.call('HMGET', job, 'owner', 'by_external_id', 'filed')
  if record[1] then redis.call('ZREM', keys.JOBS_BY_OWNER .. record[1], job_id) end
  if record[2] then redis.call('ZREM', record[2], job_id) end
  redis.call('UNLINK', job, job .. keys.HISTORY, job .. keys.DELIVERY_LOG)
  if record[3] and string.find(record[3], ' batch', -6, true) then redis.call('UNLINK', keys.BATCH .. job_id .. keys.ENTRIES) end
  if idempotency ~= '-' and redis.call('GET', idempotency) == job_id then redis.call('UNLINK', idempotency) end
  if object_by_url ~= '-' and redis.call('PTTL', object_by_url) <= known_until - now_ms() + 1000 then
    redis.call('UNLINK', object_by_url)
  end
end

-- Deletes the oldest job of a list. Where Redis has lost the list, its bytes are forgotten.
local function delete_oldest(list)
  local oldest = redis.call('LPOP', list)
  if not oldest and list == keys.ENDED then
    redis.call('HDEL', keys.ROOM, 'ended')
    older_jobs, older_bytes = 0, 0
    return
  end
  if not oldest then
    ended_bytes = ended_bytes - (redis.call('ZSCORE', keys.ENDED_LISTS, list) or 0)
    redis.call('ZREM', keys.ENDED_LISTS, list)
    return
  end
  local job_id, size, idempotency, object_by_url, known_until = string.match(oldest, '^(%S+) (%d+) (%S+) (%S+) (%d+)$')
  delete_ended_job(job_id, idempotency, object_by_url, known_until)
  if list == keys.ENDED then
    older_jobs, older_bytes = older_jobs - 1, redis.call('HINCRBY', keys.ROOM, 'ended', -size)
  else
    ended_jobs, ended_bytes = ended_jobs - 1, ended_bytes - size
    if redis.call('ZINCRBY', keys.ENDED_LISTS, -size, list) == '0' then redis.call('ZREM', keys.ENDED_LISTS, list) end
  end
  if redis.call('EXISTS', keys.ENDED_LISTS) == 0 then ended_jobs, ended_bytes = 0, 0 end -- the rest is lost, if there is any
end

-- Takes expired jobs off the front of a list. Returns how many.
local function drop_expired(list, most)
  for dropped = 0, most - 1 do
    local oldest = redis.call('LINDEX', list, 0)
    if not oldest or redis.call('EXISTS', keys.JOB .. string.match(oldest, '^%S+')) == 1 then return dropped end
    delete_oldest(list)
  end
  return most
end

-- The list with the most bytes.
local function find_largest_list()
  local largest = redis.call('ZREVRANGE', keys.ENDED_LISTS, 0, 0, 'WITHSCORES')
  if older_bytes > tonumber(largest[2] or 0) then return keys.ENDED end
  return largest[1]
end

-- Deletes up to `most` ended jobs while there are more than there may be; where memory is short, up to 16 whatever their number.
-- Each owner has a list of its jobs and one of its probes, and the oldest job of the largest list goes. So whoever has many
-- jobs end loses its own, and nobody loses any to an owner who has less. Expired jobs count until they are found at the front
-- of their list: then two of the lists are looked at, any of them, and that of older releases.
local function make_room(most, share)
  local short = share >= EVICTED and math.min(most, 16) or 0
  older_jobs = older_bytes > 0 and redis.call('LLEN', keys.ENDED) or 0
  local function is_over()
    local jobs = ended_jobs + older_jobs
    return short > 0 and jobs > NEWEST or jobs > ENDED_RECORDS or ended_bytes + older_bytes > ENDED_BYTES
  end
  if is_over() then
    for _, list in ipairs(redis.call('ZRANDMEMBER', keys.ENDED_LISTS, 2)) do most = most - drop_expired(list, most) end
    if older_bytes > 0 then most = most - drop_expired(keys.ENDED, most) end
  end
  while most > 0 and is_over() do
    local list = find_largest_list()
    if not list then break end
    delete_oldest(list)
    most, short = most - 1, short - 1
  end
  redis.call('HSET', keys.ROOM, 'ended_jobs', math.max(0, ended_jobs), 'ended_bytes', math.max(0, ended_bytes))
end

-- Deletes old jobs for those that this script has ended: up to 64 for each, and one more for each KiB, since the entries of a
-- batch may take many. The largest job takes less than 64 times the bytes of the smallest, so the lists can't outgrow their
-- bounds. Then ends the batches whose last children these were. args: as end_job takes them.
local function make_room_for_ended(args)
  if added_jobs == 0 then return end
  local most = 64 * added_jobs + math.floor(added_bytes / 1024)
  added_jobs, added_bytes = 0, 0
  make_room(most, (look_at_memory()))
  if tell_batches then tell_batches(args.record_seconds, args) end
end
