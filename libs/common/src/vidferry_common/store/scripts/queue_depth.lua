-- How much is on the queue: what is ready or parked, what is delayed, what runs.
-- args: head_start_ms (of the class that has one)
-- Returns {waiting, deferred, running, ms since the longest waiting was due, {code, sites that pause for it, downloads that
-- these pauses hold, …}}.
local args = cjson.decode(ARGV[1])
local now = now_ms()
local waiting = redis.call('ZCOUNT', keys.QUEUE, '-inf', now) + redis.call('ZCOUNT', keys.QUEUE, keys.PARKED_SCORE, keys.PARKED_SCORE)
local oldest = 0
-- The first of all, and the first of those whose score tells that they have no head start.
for _, from in ipairs({ '-inf', now - args.head_start_ms + 1 }) do
  local first = redis.call('ZRANGEBYSCORE', keys.QUEUE, from, now, 'LIMIT', 0, 1)[1]
  local due = first and redis.call('HGET', download_key(string.match(first, '^(.*):%d+$') or ''), 'due')
  oldest = math.max(oldest, now - (due or now))
end
local reasons, sites, held = {}, {}, {}
for _, pause in ipairs(redis.call('ZRANGE', keys.PAUSES, 0, -1)) do
  local code = redis.call('HGET', pause, 'code')
  if code then
    if not sites[code] then reasons[#reasons + 1] = code end
    sites[code] = (sites[code] or 0) + 1
    held[code] = (held[code] or 0) + redis.call('ZCARD', pause .. keys.HELD_BY)
  end
end
local pauses = {}
for _, code in ipairs(reasons) do
  for _, each in ipairs({ code, sites[code], held[code] }) do pauses[#pauses + 1] = each end
end
return { waiting, redis.call('ZCOUNT', keys.DELAYED, string.format('(%.17g', now), '+inf'), redis.call('ZCARD', keys.LEASES), oldest,
  pauses }
