-- A worker has tried to deliver the first event of a job, or gives the job back.
-- KEYS: queue; args: id, taken, receiver, endpoint, owner, places, unproven_places (as take_deliveries.lua), hold_ms,
--       log (what is told of the event from now on; '' where nothing was tried), seq (of that event),
--       settled (the event is done with), delay_ms (else: until the next try), receiver_state (how the receiver answered;
--       left out where nothing was sent), slow_ms (for which it counts as slow, however it answers), disabled_ms (for
--       which the endpoint gets no events; 0: it wants some again; left out: unchanged)
-- Returns lost | waiting | done, or the next event and what is told of it.
local args = cjson.decode(ARGV[1])
local task, receiver = task_key(KEYS[1], args.id), keys.RECEIVER .. args.receiver
local events, log = task .. keys.EVENTS, keys.JOB .. args.id .. keys.DELIVERY_LOG
local MOST_DISABLED = 10000
if not holds_task(KEYS[1], args.id, tostring(args.taken)) then return 'lost' end
allow_writes(keys.ROOM)
local now = now_ms()

if args.receiver_state then
  local slow_until = string.match(redis.call('GET', receiver .. keys.RECEIVER_STATE) or '', '%d+$') or '0'
  if args.slow_ms > 0 then slow_until = string.format('%.0f', now + args.slow_ms) end
  redis.call('SET', receiver .. keys.RECEIVER_STATE, args.receiver_state .. ' ' .. slow_until, 'EX', 3600)
end
if args.disabled_ms == 0 then
  redis.call('ZREM', keys.DISABLED_ENDPOINTS, args.endpoint)
elseif args.disabled_ms then
  redis.call('ZADD', keys.DISABLED_ENDPOINTS, now + args.disabled_ms, args.endpoint)
  redis.call('ZREMRANGEBYRANK', keys.DISABLED_ENDPOINTS, 0, -MOST_DISABLED - 1)
end
if args.log ~= '' and redis.call('EXISTS', log) == 1 then redis.call('HSET', log, args.seq, args.log) end

-- Frees the place of the job at its receiver, and makes due what waits longest there: two, since more places may be free than
-- when they were put aside. The worker looks for them when it is done with this job. If it gives the job back, others have to.
local function free_place()
  redis.call('ZREM', receiver, args.id)
  local state = redis.call('GET', receiver .. keys.RECEIVER_STATE) or 'failing'
  local places = string.find(state, 'failing', 1, true) and args.unproven_places or args.places
  local free = math.min(2, places - redis.call('ZCOUNT', receiver, now, '+inf'))
  for _ = 1, 100 do
    if free <= 0 then return end
    local first = redis.call('ZPOPMIN', receiver .. keys.PARKED)
    if not first[1] then return end
    if redis.call('ZADD', KEYS[1], 'XX', 'CH', first[2], first[1]) == 1 then free = free - 1 end
  end
end

if not args.settled then
  redis.call('HINCRBY', task, 'put_back', 1)
  redis.call('ZADD', KEYS[1], now + args.delay_ms, args.id)
  free_place()
  if args.delay_ms == 0 then
    ring_doorbell(KEYS[1] .. keys.TASK_DOORBELL)
  end
  return 'waiting'
end
-- The same script again, after its reply was lost, finds the event after it, which is still to be delivered.
local entry = redis.call('LINDEX', events, 0)
if entry and tonumber(string.match(entry, '^%S+ (%d+) ')) == args.seq then
  redis.call('LPOP', events)
  local bytes = #entry + keys.EVENT_BYTES
  if redis.call('HINCRBY', keys.ROOM, 'undelivered', -bytes) < 0 then redis.call('HSET', keys.ROOM, 'undelivered', 0) end
  if redis.call('HINCRBY', keys.UNDELIVERED_BYTES, args.owner, -bytes) <= 0 then
    redis.call('HDEL', keys.UNDELIVERED_BYTES, args.owner)
  end
end
local next_event = redis.call('LINDEX', events, 0)
if next_event then
  local seq, made_at = string.match(next_event, '^%S+ (%d+) (%d+)')
  redis.call('ZADD', keys.UNDELIVERED, made_at, args.id)
  redis.call('ZADD', KEYS[1], now + args.hold_ms, args.id)
  redis.call('ZADD', receiver, now + args.hold_ms, args.id)
  return { next_event, redis.call('HGET', log, seq) or '' }
end
end_task(KEYS[1], args.id)
redis.call('ZREM', keys.UNDELIVERED, args.id)
free_place()
return 'done'
