-- Functions that send messages. It stands before every script, and holds what publish.lua needs and no more: Redis makes
-- every function anew at each call, and those of lib.lua would add a tenth to the time of a message.
-- Names of `keys` and `batches` are replaced by their values in contract/ when a script is loaded (__init__.py).

-- Defined in batches.lua, which stands behind this file. In publish.lua only once a child of a batch is met, by
-- define_batches(): Redis would make all of its functions anew at each message.
local note_child, tell_batches, define_batches

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

-- Tasks: small pieces of work beside the downloads. A task is an id on its queue, by the time it is due, and a record of its
-- own: `taken`, how often a worker has taken it, and whatever else its kind keeps. `taken` is the fence: it rises at each taking.

local function task_key(queue, id)
  return queue .. ':' .. id
end

-- Adds a task, due at that time (ms), unless it is there already. The fields of its record: field, value, …
local function add_task(queue, id, due, ...)
  if redis.call('ZADD', queue, 'NX', due, id) == 0 then return end
  redis.call('HSET', task_key(queue, id), 'taken', 0, ...)
  if redis.call('LPUSH', queue .. keys.TASK_DOORBELL, '1') > 1000 then
    redis.call('LTRIM', queue .. keys.TASK_DOORBELL, 0, 999)
  end
end

-- Adds an event of a job to those that wait for its receiver, if the receiver wants events of that type.
-- webhook: `types receiver endpoint url` (contract/webhooks.py); seq: of the message that the event comes with.
local function add_event(job_id, webhook, event, seq, message, ttl)
  local types, receiver, endpoint, url = string.match(webhook, '^(%S+) (%S+) (%S+) (.*)$')
  if not string.find(types, event, 1, true) then return end
  local job, task, time = keys.JOB .. job_id, task_key(keys.DELIVERIES, job_id), redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local owner = redis.call('HGET', job, 'owner') or ''
  local entry = string.format('%s %d %d %s', event, seq, now, message)
  redis.call('RPUSH', task .. keys.EVENTS, entry)
  add_task(keys.DELIVERIES, job_id, now, 'owner', owner, 'receiver', receiver, 'endpoint', endpoint, 'url', url)
  redis.call('ZADD', keys.UNDELIVERED, 'NX', now, job_id)
  redis.call('HINCRBY', keys.ROOM, 'undelivered', #entry + keys.EVENT_BYTES)
  redis.call('HINCRBY', keys.UNDELIVERED_BYTES, owner, #entry + keys.EVENT_BYTES)
  redis.call('HSET', job .. keys.DELIVERY_LOG, seq, string.format('{"type":"%s","created":%d,"since":%d}', event, now, now))
  redis.call('EXPIRE', job .. keys.DELIVERY_LOG, ttl)
end

-- Adds the event of a step, if there is one: the first of each of these stages.
local function add_step_event(job_id, webhook, seq, message, ttl)
  local stage = string.match(message, '"stage":"(%a+)"')
  if stage ~= 'started' and stage ~= 'info' then return end
  if redis.call('HSETNX', keys.JOB .. job_id, 'job.' .. stage, 1) == 0 then return end
  add_event(job_id, webhook, 'job.' .. stage, seq, message, ttl)
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
  if counted then
    if not note_child then define_batches() end
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
