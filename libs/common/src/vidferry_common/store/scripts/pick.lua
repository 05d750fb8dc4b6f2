-- Picks what a worker may start: the ready ids of arq's queue, in their order, whose site and caller have a free place.
-- Delayed ones that are due become ready; those whose site or caller is full are parked until a place is free.
-- args: count, kept_ms (that a picked id is kept for the worker), slots (of the worker), site_share and caller_share (of all slots, 1: no
--       limit), site_limit (of its running downloads, 0: none), waiting (what a body says that waits for a worker),
--       parked (what it says once it is parked)
-- Returns {ms until the next look, where one is due before the doorbell rings (else -1), arq id, …}.
local args = cjson.decode(ARGV[1])
allow_writes(keys.ROOM)
local now, many, picked = now_ms(), args.count, {}
for _, arq_id in ipairs(redis.call('ZRANGEBYSCORE', keys.DELAYED, '-inf', now, 'LIMIT', 0, 1000)) do
  local download = download_key(string.match(arq_id, '^(.*):%d+$'))
  local record = redis.call('HMGET', download, 'site', 'caller', 'queued_since', 'head_start')
  if record[3] and redis.call('ZSCORE', keys.QUEUE, arq_id) then
    line_up(groups_of(record[1], record[2]), arq_id, record[3], record[4])
  end
  redis.call('ZREM', keys.DELAYED, arq_id)
end

-- The slots of all workers. One that has just started may not be counted yet, so its own are the least.
local function all_slots()
  return math.max(args.slots, redis.call('HGET', keys.LEADER, 'slots') or 0)
end

local function slot_limit(slots, share, most)
  local of_all = share < 1 and math.max(1, math.floor(share * slots + 1e-9)) or math.huge
  return math.min(of_all, most > 0 and most or math.huge)
end

local limits
local running, parked, woken, more = {}, {}, {}, false

-- most: the limit of a caller by its download's record, or nil
local function is_full(kind, group, most)
  local limit = math.min(limits[kind], kind == 2 and tonumber(most or nil) or math.huge)
  if limit == math.huge then return false end
  running[group] = running[group] or redis.call('ZCOUNT', group, now, '+inf')
  return running[group] >= limit
end

-- Tells the watchers of a download once why it waits.
local function tell_why_parked(download)
  local body = redis.call('HGET', download, 'body')
  local from, to = string.find(body, args.waiting, 1, true)
  if from then deliver_to_all(download, string.sub(body, 1, from - 1) .. args.parked .. string.sub(body, to + 1), false) end
end

-- Within one call a line moves once for each full group: after that it is where this call has put it.
local function park_attempt(groups, full, download_id, arq_id, order, turn)
  tell_why_parked(download_key(download_id))
  local line = line_of(groups)
  redis.call('ZADD', keys.LINE .. line, order, arq_id)
  redis.call('ZADD', keys.QUEUE, keys.PARKED_SCORE, arq_id)
  redis.call('ZADD', full .. keys.PARKED, 'LT', full == groups[1] and turn or order, line)
  if parked[line] == full then return end
  parked[line] = full
  for _, group in ipairs(groups) do
    if group ~= full then redis.call('ZREM', group .. keys.PARKED, line) end
  end
  rank_line(groups)
end

local function reserve_places(groups, download_id)
  for _, group in ipairs(groups) do
    redis.call('ZADD', group, now + args.kept_ms, download_id)
    if running[group] then running[group] = running[group] + 1 end
  end
end

local anybody_waits
-- A download that was made ready for a place but could not take it passes it on; where more places are free, more become
-- ready.
local function pass_place_on(kind, group)
  if anybody_waits == nil then anybody_waits = redis.call('ZCOUNT', keys.QUEUE, keys.PARKED_SCORE, keys.PARKED_SCORE) > 0 end
  if anybody_waits and not woken[group] then
    woken[group] = wake_next(kind, group)
    more = more or woken[group]
  end
end

-- The turn of a caller ends when one of its downloads is picked.
local function end_turn(group, arq_id)
  if redis.call('HGET', group .. keys.TURN, 'ready') == arq_id then
    set_turn(group, 'served', now, 'ready', '')
  else
    set_turn(group, 'served', now)
  end
end

local groups_are_woken
-- A download whose record expired while it was ready can't tell whose turn it had. So whatever is parked may move up.
local function wake_all_groups()
  if groups_are_woken then return end
  groups_are_woken = true
  for _, arq_id in ipairs(redis.call('ZRANGEBYSCORE', keys.QUEUE, keys.PARKED_SCORE, keys.PARKED_SCORE, 'LIMIT', 0, 1000)) do
    local record = redis.call('HMGET', download_key(string.match(arq_id, '^(.*):%d+$') or ''), 'site', 'caller')
    for kind, group in ipairs(groups_of(record[1], record[2])) do pass_place_on(kind, group) end
  end
end

local function take_attempt(arq_id, score)
  local download_id = string.match(arq_id, '^(.*):%d+$')
  local record = download_id and redis.call('HMGET', download_key(download_id), 'site', 'caller', 'queued_since', 'head_start',
    'jobs_running') or {}
  local groups, full = groups_of(record[1], record[2]), nil
  if not groups[1] then
    redis.call('ZREM', keys.QUEUE, arq_id) -- else it would still be its caller's ready one
    wake_all_groups()
  end
  if groups[1] and tonumber(redis.call('ZSCORE', groups[1], download_id) or 0) > now then return end -- another worker holds it
  for kind, group in ipairs(groups) do
    if is_full(kind, group, record[5]) then full = full or group end
  end
  if full then
    park_attempt(groups, full, download_id, arq_id, record[3] - record[4], score)
  else
    reserve_places(groups, download_id)
    picked[#picked + 1] = arq_id
    if groups[2] then end_turn(groups[2], arq_id) end
  end
  for kind, group in ipairs(groups) do
    if not is_full(kind, group, record[5]) then pass_place_on(kind, group) end
  end
end

-- Looks at a bounded number: what is parked leaves the front of the queue, so the next call finds what comes after it.
-- A look makes others ready, which the next look takes where places are left.
local most, seen, left = 64 + many, {}, 64 + many
local ready
repeat
  woken, more = {}, false
  ready = redis.call('ZRANGEBYSCORE', keys.QUEUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
  if ready[1] and not limits then
    local slots = all_slots()
    limits = { slot_limit(slots, args.site_share, args.site_limit), slot_limit(slots, args.caller_share, 0) }
  end
  for i = 1, #ready, 2 do
    if #picked < many and left > 0 and not seen[ready[i]] then
      seen[ready[i]], left = true, left - 1
      take_attempt(ready[i], ready[i + 1])
    end
  end
until #picked >= many or left == 0 or not more
local next_one = redis.call('ZRANGE', keys.DELAYED, 0, 0, 'WITHSCORES')
local due = next_one[2] and math.max(0, tonumber(next_one[2]) - now) or -1
if (left == 0 or #ready == 2 * most) and #picked < many then due = 0 end
table.insert(picked, 1, due)
return picked
