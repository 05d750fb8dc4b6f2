-- What a worker may start: the ids on arq's queue that are ready, in their order, and whose site and caller have room.
-- Those that are due after a delay become ready; those whose site or caller is full are parked until a place is free.
-- args: count, kept_ms (for the one who picks), slots (of the worker), site_share and caller_share (of all slots, 1: no
--       limit), site_limit (of its running downloads, 0: none), waiting (what a body says that waits for a worker),
--       parked (what it says once it is parked)
-- Returns {ms until the next look, where one is due before the doorbell rings (else -1), arq id, …}.
local args = cjson.decode(ARGV[1])
admit(keys.ROOM)
local now, many, picked = now_ms(), args.count, {}
for _, arq_id in ipairs(redis.call('ZRANGEBYSCORE', keys.DELAYED, '-inf', now, 'LIMIT', 0, 1000)) do
  local download = download_key(string.match(arq_id, '^(.*):%d+$'))
  if redis.call('EXISTS', download) == 1 then redis.call('ZADD', keys.QUEUE, 'XX', order(download), arq_id) end
  redis.call('ZREM', keys.DELAYED, arq_id)
end

-- A worker that has just begun may not be counted yet.
local function all_slots()
  return math.max(args.slots, redis.call('HGET', keys.LEADER, 'slots') or 0)
end

local function limit(slots, share, most)
  local of_all = share < 1 and math.max(1, math.floor(share * slots + 1e-9)) or math.huge
  return math.min(of_all, most > 0 and most or math.huge)
end

local limits
local running, parked, woken = {}, {}, {}

local function is_full(kind, group)
  if limits[kind] == math.huge then return false end
  running[group] = running[group] or redis.call('ZCOUNT', group, now, '+inf')
  return running[group] >= limits[kind]
end

-- Those who watch it are told why it waits, once.
local function explain(download)
  local body = redis.call('HGET', download, 'body')
  local from, to = string.find(body, args.waiting, 1, true)
  if from then deliver_to_all(download, string.sub(body, 1, from - 1) .. args.parked .. string.sub(body, to + 1), false) end
end

-- The line moves once a look: then it is where this look has left it.
local function park(groups, full, download_id, arq_id, score)
  explain(download_key(download_id))
  local line = line_of(groups)
  redis.call('ZADD', keys.LINE .. line, score, arq_id)
  redis.call('ZADD', keys.QUEUE, keys.PARKED_SCORE, arq_id)
  if parked[line] == full then return end
  parked[line] = full
  for _, group in ipairs(groups) do redis.call('ZREM', group .. keys.PARKED, line) end
  redis.call('ZADD', full .. keys.PARKED, score, line)
  rank(groups)
end

local function hold(groups, download_id)
  for _, group in ipairs(groups) do
    redis.call('ZADD', group, now + args.kept_ms, download_id)
    if running[group] then running[group] = running[group] + 1 end
  end
end

local anybody_waits
-- What was woken for a place and could not take it passes it on; where there are more places now, more are woken.
local function pass_on(group)
  if anybody_waits == nil then anybody_waits = redis.call('ZCOUNT', keys.QUEUE, keys.PARKED_SCORE, keys.PARKED_SCORE) > 0 end
  if anybody_waits and not woken[group] then
    woken[group] = true
    wake(group)
  end
end

local function take(arq_id, score)
  local download_id = string.match(arq_id, '^(.*):%d+$')
  local record = download_id and redis.call('HMGET', download_key(download_id), 'site', 'caller') or {}
  local groups, full = groups_of(record[1], record[2]), nil
  if groups[1] and tonumber(redis.call('ZSCORE', groups[1], download_id) or 0) > now then return end -- it is another's
  for kind, group in ipairs(groups) do
    if is_full(kind, group) then full = full or group end
  end
  if full then
    park(groups, full, download_id, arq_id, score)
  else
    hold(groups, download_id)
    picked[#picked + 1] = arq_id
  end
  for kind, group in ipairs(groups) do
    if not is_full(kind, group) then pass_on(group) end
  end
end

-- A bounded look: what is parked leaves the front, so the next one is found by the next look.
local ready = redis.call('ZRANGEBYSCORE', keys.QUEUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 64 + many)
if ready[1] then
  local slots = all_slots()
  limits = { limit(slots, args.site_share, args.site_limit), limit(slots, args.caller_share, 0) }
end
for i = 1, #ready, 2 do
  if #picked < many then take(ready[i], ready[i + 1]) end
end
local next_one = redis.call('ZRANGE', keys.DELAYED, 0, 0, 'WITHSCORES')
local due = next_one[2] and math.max(0, tonumber(next_one[2]) - now) or -1
if #ready == 2 * (64 + many) and #picked < many then due = 0 end
table.insert(picked, 1, due)
return picked
