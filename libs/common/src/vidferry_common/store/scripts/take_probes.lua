-- Takes probes that are due, as take_tasks.lua does, but not in their order alone: first one of the caller of whom the fewest
-- run. So however long the probes of one caller take, another one's is next when a slot becomes free.
-- KEYS: queue; args: count, hold_ms, look (most probes to look at)
-- Returns {ms until the next one is due (-1: there is none), id, {field, value, …} of its record, …}.
local args = cjson.decode(ARGV[1])
local now, reply, running, waiting = now_ms(), { 0 }, {}, {}
allow_writes(keys.ROOM)

local function caller_of(id)
  return redis.call('HGET', task_key(KEYS[1], id), 'caller') or ''
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, args.look)) do
  local caller = caller_of(id)
  running[caller] = (running[caller] or 0) + 1
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, args.look)) do
  if redis.call('EXISTS', task_key(KEYS[1], id)) == 1 then
    waiting[#waiting + 1] = { id = id, caller = caller_of(id) }
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
for _ = 1, math.min(args.count, #waiting) do
  local first = 1
  for i = 2, #waiting do
    if (running[waiting[i].caller] or 0) < (running[waiting[first].caller] or 0) then first = i end
  end
  local taken = table.remove(waiting, first)
  local task = task_key(KEYS[1], taken.id)
  running[taken.caller] = (running[taken.caller] or 0) + 1
  redis.call('HINCRBY', task, 'taken', 1)
  redis.call('ZADD', KEYS[1], now + args.hold_ms, taken.id)
  reply[#reply + 1] = taken.id
  reply[#reply + 1] = redis.call('HGETALL', task)
end
local next_one = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
reply[1] = next_one[2] and math.max(0, math.ceil(next_one[2] - now)) or -1
return reply
