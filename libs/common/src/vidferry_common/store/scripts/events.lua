-- Functions of tasks, and of the events of jobs that have a webhook. publish.lua has them too.

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

-- Whether the worker that took a task then still has it. taken is text, as Redis keeps it.
local function holds_task(queue, id, taken)
  return redis.call('HGET', task_key(queue, id), 'taken') == taken
end

local function end_task(queue, id)
  redis.call('ZREM', queue, id)
  redis.call('DEL', task_key(queue, id))
end

-- Adds an event of a job to those that wait for its receiver, if the receiver wants events of that type.
-- webhook: `types receiver endpoint url` (contract/webhooks.py); seq: of the message that the event comes with.
local function add_event(job_id, webhook, event, seq, message, ttl)
  local types, receiver, endpoint, url = string.match(webhook, '^(%S+) (%S+) (%S+) (.*)$')
  if not string.find(types, event, 1, true) then return end
  local job, task, now = keys.JOB .. job_id, task_key(keys.DELIVERIES, job_id), math.floor(now_ms())
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
add_step_event = function(job_id, webhook, seq, message, ttl)
  local stage = string.match(message, '"stage":"(%a+)"')
  if stage ~= 'started' and stage ~= 'info' then return end
  if redis.call('HSETNX', keys.JOB .. job_id, 'job.' .. stage, 1) == 0 then return end
  add_event(job_id, webhook, 'job.' .. stage, seq, message, ttl)
end

-- Adds the event of a job's end. A batch tells its end by one event, whatever that is like.
add_end_event = function(job_id, webhook, seq, message, ttl)
  local event = string.find(webhook, '^batch%.completed ') and 'batch.completed'
    or 'job.' .. string.match(message, '"status":"([a-z]+)"')
  add_event(job_id, webhook, event, seq, message, ttl)
end
