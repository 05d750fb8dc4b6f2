-- Takes jobs whose events are due for delivery, as take_tasks.lua does, as many of one receiver at once as it may have.
-- One whose receiver has no place free is put aside: it is due when a place is free (settle_delivery.lua), or else after
-- AGAIN_MS, should a worker have died meanwhile. So jobs of a receiver that answers slowly are passed once, not at each look.
-- Jobs of receivers that are slow, or fail, have a share of the worker's slots, and so have those of receivers that nothing is
-- known of: however many such receivers there are, the others find a slot. What finds none is due again after POSTPONED_MS.
-- KEYS: queue; args: count, hold_ms, look (most jobs to look at), places (of one receiver), unproven_places (of one that
--       accepts nothing, or is unknown), slow (most jobs of receivers that are slow or fail), unproven (of these and unknown ones together)
-- Returns {ms until the next one is due (-1: there is none), id, {field, value, …}, …}. Fields are those of its record, its
-- first event, what is told of that (`log`), how its receiver answered last (`state`), and `disabled` where its endpoint
-- wants no more events.
local args = cjson.decode(ARGV[1])
local AGAIN_MS, POSTPONED_MS = 300000, 1000
local now, reply, states, free = now_ms(), { 0 }, {}, {}
allow_writes(keys.ROOM)

local function take(id, task, record, receiver)
  redis.call('HINCRBY', task, 'taken', 1)
  redis.call('ZADD', KEYS[1], now + args.hold_ms, id)
  redis.call('ZADD', receiver, now + args.hold_ms, id)
  redis.call('EXPIRE', receiver, 3600) -- longer than any hold
  redis.call('ZREM', receiver .. keys.PARKED, id) -- else it would be made due for another worker
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

-- Whether the worker has a slot left for a receiver in that state, which is taken then.
local function take_slot(state)
  if state == 'prompt' then return true end
  if args.unproven <= 0 or state ~= '' and args.slow <= 0 then return false end
  args.unproven = args.unproven - 1
  if state ~= '' then args.slow = args.slow - 1 end
  return true
end

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, args.look)
for i = 1, #due, 2 do
  if #reply > 2 * args.count then break end
  local id = due[i]
  local task = task_key(KEYS[1], id)
  local record = redis.call('HMGET', task, 'receiver', 'endpoint')
  if not record[1] or redis.call('EXISTS', task .. keys.EVENTS) == 0 then
    end_task(KEYS[1], id)
    redis.call('UNLINK', task .. keys.EVENTS)
    redis.call('ZREM', keys.UNDELIVERED, id)
  else
    local receiver = keys.RECEIVER .. record[1]
    if not states[receiver] then
      states[receiver] = redis.call('GET', receiver .. keys.RECEIVER_STATE) or ''
      local proven = states[receiver] == 'prompt' or states[receiver] == 'slow'
      local places = proven and args.places or args.unproven_places
      free[receiver] = places - redis.call('ZCOUNT', receiver, now, '+inf')
    end
    free[receiver] = free[receiver] - 1
    if free[receiver] >= 0 and take_slot(states[receiver]) then
      take(id, task, record, receiver)
    elseif free[receiver] >= 0 then
      redis.call('ZADD', KEYS[1], now + POSTPONED_MS, id)
    else
      if redis.call('ZADD', receiver .. keys.PARKED, due[i + 1], id) == 1 then
        redis.call('EXPIRE', receiver .. keys.PARKED, 172800)
      end
      redis.call('ZADD', KEYS[1], now + AGAIN_MS, id)
    end
  end
end
local next_one = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
reply[1] = next_one[2] and math.max(0, math.ceil(next_one[2] - now)) or -1
return reply
