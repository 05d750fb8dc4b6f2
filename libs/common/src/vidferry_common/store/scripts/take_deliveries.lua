-- Takes jobs whose events are due for delivery, as take_tasks.lua does, so that no receiver holds up another:
-- - A receiver has as many at once as it has places, over all workers. One that finds no place is put aside: it is due when
--   a place is free (settle_delivery.lua), or else after AGAIN_MS, should a worker have died meanwhile. So jobs of a receiver
--   that answers slowly are passed once, not at each look.
-- - Receivers that are slow, or fail, have a share of the worker's slots. So have these and those that nothing is known of
--   together. However many such receivers there are, the others find a slot.
-- - Within a share, an owner gets slots while it has fewer than are free, and a receiver while it has fewer than its owner may
--   still get. So whatever receivers do that were prompt so far, slots are left for those of other owners.
-- One that finds no slot is due again after POSTPONED_MS, or sooner: when the worker has a slot that its receiver or owner held.
-- KEYS: queue; args: count, hold_ms, look (most jobs to look at), places (of one receiver), unproven_places (of one that
--       accepts nothing, or is unknown), free (slots by share), held (by share, by `owner:` and the owner, by receiver: slots),
--       freed ({share, owner, receiver} of each slot that became free since the worker took jobs)
-- Returns {ms until the next one is due (-1: there is none), id, {field, value, …}, …}. Fields are those of its record, its
-- first event, what is told of that (`log`), what is known of its receiver (`state`), and `disabled` where its endpoint
-- wants no more events.
local args = cjson.decode(ARGV[1])
local AGAIN_MS, POSTPONED_MS = 300000, 1000
local SHARES = { prompt = 'prompt', [''] = 'unknown', slow = 'slow', failing = 'slow' } -- by the state of a receiver
local WITHIN = { prompt = { 'prompt' }, unknown = { 'unknown', 'prompt' }, slow = { 'slow', 'unknown', 'prompt' } }
local now, reply, states, places = now_ms(), { 0 }, {}, {}
local running = {} -- by receiver
allow_writes(keys.ROOM)

local function take(id, task, record, receiver)
  redis.call('HINCRBY', task, 'taken', 1)
  redis.call('ZADD', KEYS[1], now + args.hold_ms, id)
  redis.call('ZADD', receiver, now + args.hold_ms, id)
  redis.call('EXPIRE', receiver, 3600) -- longer than any hold
  redis.call('ZREM', receiver .. keys.PARKED, id) -- else it would be made due for another worker
  for share in pairs(WITHIN) do redis.call('ZREM', keys.POSTPONED .. share .. ':' .. record[3], id) end
  local event = redis.call('LINDEX', task .. keys.EVENTS, 0)
  local disabled_until = tonumber(redis.call('ZSCORE', keys.DISABLED_ENDPOINTS, record[2]) or 0)
  local fields = redis.call('HGETALL', task)
  for _, item in ipairs({ 'event', event, 'log', redis.call('HGET', keys.JOB .. id .. keys.DELIVERY_LOG,
    string.match(event, '^%S+ (%d+)')) or '', 'state', states[receiver], 'disabled', disabled_until > now and '1' or '' }) do
    fields[#fields + 1] = item
  end
  reply[#reply + 1] = id
  reply[#reply + 1] = fields
end

-- What is known of a receiver: '' | prompt | slow | failing.
local function read_state(receiver)
  local state, slow_until = string.match(redis.call('GET', receiver .. keys.RECEIVER_STATE) or '', '^(%a*) ?(%d*)$')
  return state == 'prompt' and now < (tonumber(slow_until) or 0) and 'slow' or state or ''
end

-- Whether there is a slot for a receiver in that state, which is taken then.
local function take_slot(state, receiver, owner)
  local share, free = SHARES[state], math.huge
  local held = args.held[share]
  for _, each in ipairs(WITHIN[share]) do free = math.min(free, args.free[each]) end
  local of_receiver, of_owner = held[receiver] or 0, held['owner:' .. owner] or 0
  if 2 * of_receiver >= free - of_owner then return false end -- half of that, since each one it gets is free no more
  held[receiver], held['owner:' .. owner] = of_receiver + 1, of_owner + 1
  for _, each in ipairs(WITHIN[share]) do args.free[each] = args.free[each] - 1 end
  return true
end

-- Puts a job aside in a line of those that wait for the same.
local function put_aside(line, id, due_at, again_ms)
  if redis.call('ZADD', line, due_at, id) == 1 then redis.call('EXPIRE', line, 172800) end
  redis.call('ZADD', KEYS[1], now + again_ms, id)
end

-- Makes the first ones of a line due: two, since more slots may be free than when they were put aside.
local function wake(line)
  local first = redis.call('ZPOPMIN', line, 2)
  for i = 1, #first, 2 do redis.call('ZADD', KEYS[1], 'XX', first[i + 1], first[i]) end
end

for _, slot in ipairs(args.freed) do
  wake(keys.RECEIVER .. slot[3] .. keys.PARKED)
  wake(keys.POSTPONED .. slot[1] .. ':' .. slot[2])
end
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, args.look)
for i = 1, #due, 2 do
  if #reply > 2 * args.count then break end
  local id = due[i]
  local task = task_key(KEYS[1], id)
  local record = redis.call('HMGET', task, 'receiver', 'endpoint', 'owner')
  if not record[1] or redis.call('EXISTS', task .. keys.EVENTS) == 0 then
    end_task(KEYS[1], id)
    redis.call('UNLINK', task .. keys.EVENTS)
    redis.call('ZREM', keys.UNDELIVERED, id)
  else
    local receiver = keys.RECEIVER .. record[1]
    local state, owner = states[receiver], record[3]
    if not state then
      state = read_state(receiver)
      states[receiver] = state
      local most = (state == 'prompt' or state == 'slow') and args.places or args.unproven_places
      running[receiver] = redis.call('ZCOUNT', receiver, now, '+inf')
      places[receiver] = most - running[receiver]
    end
    if places[receiver] <= 0 then
      put_aside(receiver .. keys.PARKED, id, due[i + 1], AGAIN_MS)
    elseif take_slot(state, record[1], owner) then
      places[receiver], running[receiver] = places[receiver] - 1, running[receiver] + 1
      take(id, task, record, receiver)
    else
      local line = running[receiver] > 0 and receiver .. keys.PARKED or keys.POSTPONED .. SHARES[state] .. ':' .. owner
      put_aside(line, id, due[i + 1], POSTPONED_MS)
    end
  end
end
local next_one = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
reply[1] = next_one[2] and math.max(0, math.ceil(next_one[2] - now)) or -1
return reply
