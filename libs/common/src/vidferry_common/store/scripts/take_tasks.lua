-- Takes tasks that are due. Each is due again once its hold is over, for another worker, unless it is held on or released.
-- KEYS: queue; args: count, hold_ms
-- Returns {ms until the next one is due (-1: there is none), id, {field, value, …} of its record, …}.
local args = cjson.decode(ARGV[1])
local now, reply = now_ms(), { 0 }
allow_writes(keys.ROOM)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, args.count)) do
  local task = task_key(KEYS[1], id)
  if redis.call('EXISTS', task) == 1 then
    redis.call('HINCRBY', task, 'taken', 1)
    redis.call('ZADD', KEYS[1], now + args.hold_ms, id)
    reply[#reply + 1] = id
    reply[#reply + 1] = redis.call('HGETALL', task)
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
local next_one = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
reply[1] = next_one[2] and math.max(0, math.ceil(next_one[2] - now)) or -1
return reply
