-- Functions that send messages. It stands before every script, and holds what publish.lua needs and no more: Redis makes
-- every function anew at each call, and those of lib.lua would add a tenth to the time of a message.
-- Names of `keys` and `batches` are replaced by their values in contract/ when a script is loaded (__init__.py).

-- Defined in events.lua and batches.lua: for jobs that have a webhook, or are children of batches. In most scripts
-- define_rest() has to be called before, once such a job is met: Redis would make all of these functions anew at each call.
local add_step_event, add_end_event, note_child, note_new_child, tell_batches, define_rest

-- Checks the fence: whether a download runs at that attempt. attempt is text, as Redis keeps it.
local function holds_fence(download, attempt)
  local record = redis.call('HMGET', download, 'status', 'attempt')
  return record[1] == 'running' and record[2] == attempt
end

local function set_expiry(download, ttl)
  redis.call('EXPIRE', download, ttl)
  redis.call('EXPIRE', download .. keys.JOBS, ttl)
end

-- Replaces each mark in a text. Not with gsub, which looks at every character: that took most of a progress message's time.
local function replace_mark(text, mark, value)
  local at = string.find(text, mark, 1, true)
  while at do
    text = string.sub(text, 1, at - 1) .. value .. string.sub(text, at + 1)
    at = string.find(text, mark, at + #value, true)
  end
  return text
end

-- The body for a job that has had that many more attempts than this download, which it moved to (claim_object.lua).
local function with_attempt_offset(body, attempts)
  local told = string.gsub(body, '"attempt":(%d+)', function(own) return '"attempt":' .. own + attempts end, 1)
  return told
end

-- The next message of a job, whole, and its seq; record is the job's epoch, traceparent, public_root, seq, attempt_offset and,
-- if the message is to carry the job's whole document, the fixed part of that. It stands behind the body, so that nothing in
-- a caller's metadata is taken for a field of the body.
local function compose_message(job_id, record, body, step)
  if (record[5] or '0') ~= '0' then body = with_attempt_offset(body, record[5]) end
  local seq = record[4] + 1
  local cursor = record[1] .. '-' .. seq
  local document = record[6] and ',"cursor":"' .. cursor .. '",' .. record[6] or ''
  return '{"v":1,"type":"status",' .. (step and '"step":true,' or '') .. '"cursor":"' .. cursor ..
    '","traceparent":"' .. record[2] .. '","data":{"job_id":"' .. job_id .. '","seq":' .. seq .. ',' ..
    replace_mark(replace_mark(body, '\1', record[3]), '\2', job_id) .. document .. '}}', seq
end

-- Sends one body to one job: raises its seq, stores the state, keeps a step in its history, publishes.
-- A job that has ended has no epoch any more (room.lua) and is not changed. Each step renews the expiry of the record;
-- every attempt has some. A step carries the job's whole document, any other message only where whole is true. A quiet
-- message is stored and not published. Whoever has delivered to children of batches calls tell_batches().
local function deliver(job_id, body, step, ttl, whole, quiet)
  local key, whole_document = keys.JOB .. job_id, step or whole
  local record = whole_document
    and redis.call('HMGET', key, 'epoch', 'traceparent', 'public_root', 'seq', 'attempt_offset', 'document', 'batch', 'webhook')
    or redis.call('HMGET', key, 'epoch', 'traceparent', 'public_root', 'seq', 'attempt_offset', 'batch')
  if not record[1] then return end
  local counted = record[whole_document and 7 or 6]
  if not whole_document then record[6] = nil end
  local message, seq = compose_message(job_id, record, body, step)
  if (counted or record[8]) and not note_child then define_rest() end
  if counted then
    redis.call('HSET', key, 'seq', seq, 'state', message, 'batch', note_child(counted, body))
  else
    redis.call('HSET', key, 'seq', seq, 'state', message)
  end
  if step then
    redis.call('RPUSH', key .. keys.HISTORY, message)
    redis.call('LTRIM', key .. keys.HISTORY, -64, -1)
    redis.call('EXPIRE', key .. keys.HISTORY, ttl)
    redis.call('EXPIRE', key, ttl)
    if record[8] then add_step_event(job_id, record[8], seq, message, ttl) end
  end
  if not quiet then redis.call('PUBLISH', keys.CHANNEL .. job_id, message) end
end

-- Sends one body to every job of a download, and keeps it for jobs that attach later. Returns the jobs' ids.
-- A step that is there already comes from a script that was sent again because its reply was lost.
local function deliver_to_all(download, body, step, ttl)
  local jobs = redis.call('SMEMBERS', download .. keys.JOBS)
  if step and redis.call('LPOS', download .. keys.STEPS, body) then return jobs end
  local stored = redis.pcall('HSET', download, 'body', body)
  if type(stored) == 'table' then -- Redis' memory is used up: it accepts this after a write that takes no memory (allow_writes, room.lua)
    redis.call('HDEL', download, '')
    redis.call('HSET', download, 'body', body)
  end
  if step then
    redis.call('RPUSH', download .. keys.STEPS, body)
    redis.call('LTRIM', download .. keys.STEPS, -64, -1)
    redis.call('EXPIRE', download .. keys.STEPS, ttl)
  end
  for _, job_id in ipairs(jobs) do deliver(job_id, body, step, ttl) end
  if tell_batches then tell_batches(ttl) end
  return jobs
end
