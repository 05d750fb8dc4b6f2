-- What a worker may start: the ids on arq's queue that are ready, in their order, and whose sites have room.
-- Those that are due after a delay become ready; those whose site is full are parked until a place there is free.
-- ARGV: how many, limit of running downloads a site (0: none), ms that they are kept for the one who picks
-- Returns {ms until the next delayed one is due (-1: none), arq id, …}.
admit('vidferry:room')
local now, many, limit, picked = now_ms(), tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for _, arq_id in ipairs(redis.call('ZRANGEBYSCORE', 'vidferry:delayed', '-inf', now, 'LIMIT', 0, 1000)) do
  local download = download_key(string.match(arq_id, '^(.*):%d+$'))
  if redis.call('EXISTS', download) == 1 then redis.call('ZADD', 'arq:queue', 'XX', order(download), arq_id) end
  redis.call('ZREM', 'vidferry:delayed', arq_id)
end

local function take(arq_id, score)
  local download_id = string.match(arq_id, '^(.*):%d+$')
  local name = download_id and redis.call('HGET', download_key(download_id), 'site')
  if name then
    local site = 'vidferry:site:' .. name
    if tonumber(redis.call('ZSCORE', site, download_id) or 0) > now then return end -- another worker picked it
    if limit > 0 and redis.call('ZCOUNT', site, now, '+inf') >= limit then
      redis.call('ZADD', site .. ':parked', score, arq_id)
      redis.call('ZADD', 'arq:queue', PARKED, arq_id)
      return
    end
    hold_site(download_key(download_id), download_id, now + ARGV[3])
  end
  picked[#picked + 1] = arq_id
end

-- A bounded look: what is parked leaves the front, so the next one is found then.
local ready = redis.call('ZRANGEBYSCORE', 'arq:queue', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 64 + many)
for i = 1, #ready, 2 do
  if #picked < many then take(ready[i], ready[i + 1]) end
end
local next_one = redis.call('ZRANGE', 'vidferry:delayed', 0, 0, 'WITHSCORES')
table.insert(picked, 1, next_one[2] and math.max(0, tonumber(next_one[2]) - now) or -1)
return picked
