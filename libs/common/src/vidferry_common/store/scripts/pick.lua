-- Picks what a worker may start: the ready ids of arq's queue, in their order, whose site and caller have a free place.
-- Delayed ones that are due become ready; those whose site or caller is full are parked until a place is free; those whose
-- site pauses are held. Of a pause whose time is over, one that it holds goes as its trial, before all that is ready.
-- args: count, kept_ms (that a picked id is kept for the worker), slots (of the worker), site_share and caller_share (of all
--       slots, 1: no limit), site_limit (of its running downloads, 0: none), starts (a minute) and way (out) of all sites that
--       have none of their own (0: no limit), record_seconds
-- ARGV[2]: the sites that have limits of their own, as describe_sites() writes them: it is searched, since to decode a thousand
--       of them would take ten times as long as the rest
-- Returns {ms until the next look, where one is due before the doorbell rings (else -1), arq id, …}.
local args = cjson.decode(ARGV[1])
local now, many, picked = now_ms(), args.count, {}
-- Milliseconds for which a trial is not looked at, and after which a pause is looked at again where no trial could go.
local TRIAL_LOOK, AGAIN = 60000, 2000
-- Callers of whom one call looks for a trial; the next one goes on behind them.
local MOST_CALLERS = 256
local function first_time(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or nil)
end

local most, first_ready = 64 + many, nil
local function find_ready()
  return redis.call('ZRANGEBYSCORE', keys.QUEUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most)
end

local next_delayed = first_time(keys.DELAYED)
-- Also where no site has rules any more: what waits for its start goes on all the same.
local any_times = redis.call('EXISTS', keys.PAUSES, keys.STARTS) > 0
-- Most picks find nothing. They end here, before all that follows is defined.
if not any_times and not (next_delayed and next_delayed <= now) then
  first_ready = find_ready()
  if not first_ready[1] then return { next_delayed and next_delayed - now or -1 } end
end
allow_writes(keys.ROOM)
if next_delayed and next_delayed <= now then
  for _, arq_id in ipairs(redis.call('ZRANGEBYSCORE', keys.DELAYED, '-inf', now, 'LIMIT', 0, 1000)) do
    local download = download_key(string.match(arq_id, '^(.*):%d+$'))
    local record = redis.call('HMGET', download, 'site', 'caller', 'queued_since', 'head_start')
    if record[3] and redis.call('ZSCORE', keys.QUEUE, arq_id) then
      line_up(groups_of(record[1], record[2]), arq_id, record[3], record[4])
    end
    redis.call('ZREM', keys.DELAYED, arq_id)
  end
  next_delayed = first_time(keys.DELAYED)
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
local has_rules = args.starts > 0 or ARGV[2] ~= ''
local function find_limits()
  local slots = all_slots()
  limits = { slot_limit(slots, args.site_share, args.site_limit), slot_limit(slots, args.caller_share, 0),
    share = slot_limit(slots, args.site_share, 0) }
end

local running, parked, woken, more = {}, {}, {}, false

-- Where sites have rules of their own: that of a site, or false; the time (ms) of the next start of a site, or 0; and the starts
-- a minute of a site, if they are limited; and the limit of its running downloads.
local rules, rule_of, next_start, starts_of, most_of_site
if has_rules then
  rules = {}
  function rule_of(group)
    if rules[group] == nil then
      local _, to = string.find(ARGV[2], '\n' .. string.sub(group, #keys.SITE + 1) .. ' ', 1, true)
      local downloads, starts, way = string.match(ARGV[2], '^(%S+) (%S+) (%S*)\n', (to or -1) + 1)
      rules[group] = to and { downloads = tonumber(downloads), starts = tonumber(starts), way = way ~= '-' and way or nil } or false
    end
    return rules[group]
  end
  function starts_of(group)
    local rule = rule_of(group)
    return rule and rule.starts or args.starts > 0 and args.starts
  end
  function next_start(group)
    return starts_of(group) and tonumber(redis.call('ZSCORE', keys.STARTS, group) or 0) or 0
  end
  function most_of_site(group)
    local rule = rule_of(group)
    return rule and rule.downloads and math.min(limits.share, rule.downloads) or limits[1]
  end
end

-- most: the limit of a caller by its download's record, or nil
local function is_full(kind, group, most)
  if has_rules and kind == 1 and next_start(group) > now then return true end
  local limit = has_rules and kind == 1 and most_of_site(group)
    or math.min(limits[kind], kind == 2 and tonumber(most or nil) or math.huge)
  if limit == math.huge then return false end
  running[group] = running[group] or redis.call('ZCOUNT', group, now, '+inf')
  return running[group] >= limit
end

-- Tells the watchers of a download once why it waits.
local function tell_why_parked(download, full)
  local body = redis.call('HGET', download, 'body')
  local from, to = string.find(body, '"message":"' .. messages.WAITING .. '"', 1, true)
  if not from then return end
  local why = has_rules and next_start(full) > now and messages.SPACED or messages.PARKED
  deliver_to_all(download, string.sub(body, 1, from - 1) .. '"message":"' .. why .. '"' .. string.sub(body, to + 1), false)
end

-- Within one call a line moves once for each full group: after that it is where this call has put it.
local function park_attempt(groups, full, download_id, arq_id, order, turn)
  tell_why_parked(download_key(download_id), full)
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
  if has_rules and groups[1] then
    local starts = starts_of(groups[1])
    if starts then redis.call('ZADD', keys.STARTS, now + 60000 / starts, groups[1]) end
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

-- Defined where any site pauses.
local any_pauses, find_pause, hold_in_pause, look_at_pause = any_times and redis.call('EXISTS', keys.PAUSES) == 1, nil, nil, nil
if any_pauses then
  define_pauses()
  -- The pause of a site that an attempt would go to, and its trial; nothing where it has none, or where it is over and holds
  -- nothing any more.
  function find_pause(site, download_id)
    if (site or '') == '' then return end
    local rule = has_rules and rule_of(keys.SITE .. site)
    local pause = pauses.key_of(site, redis.call('HGET', download_key(download_id), 'credential'), rule and rule.way or args.way)
    local state = redis.call('HMGET', pause, 'until', 'over', 'trial')
    if state[1] and (not state[2] or redis.call('EXISTS', pause .. keys.HELD_BY) == 1) then return pause, state[3] end
  end

  function hold_in_pause(pause, download_id, arq_id, record)
    -- One that was refused stays behind the others: it has no head start.
    local download, state = download_key(download_id), redis.call('HMGET', pause, 'sentence', 'code', 'until')
    local was_refused = redis.call('HEXISTS', download, 'refusals') == 1
    pauses.hold(pause, download_id, arq_id, record[3] - (was_refused and 0 or record[4]))
    pauses.tell_waiting(download, pauses.waiting_body(redis.call('HGET', download, 'body'), unpack(state)), args.record_seconds)
  end

  local function is_any_full(groups, record)
    for kind, group in ipairs(groups) do
      if is_full(kind, group, record[5]) then return true end
    end
  end

  -- Whether the trial of a pause waits or runs still: its worker may know of no pauses, and Redis may have lost it.
  local function goes_on(download_id)
    local record = redis.call('HMGET', download_key(download_id), 'status', 'attempt')
    return record[1] == 'running' or record[1] == 'queued' and redis.call('ZSCORE', keys.QUEUE, download_id .. ':' .. record[2] + 1)
  end

  -- Picks the trial of a pause: callers take turns with it, and each sends the first of its own that the pause holds, if that finds
  -- a place. So neither a caller who has no free place, nor one whose URLs are always refused, holds the site for all others.
  local function pick_trial(pause)
    local caller, first, chosen, its_groups = redis.call('HGET', pause, 'turn'), nil, nil, nil
    for _ = 1, MOST_CALLERS do
      local arq_id, next_caller, place = pauses.next_caller(pause, caller)
      if not arq_id then break end
      local download_id, attempt = string.match(arq_id, '^(.*):(%d+)$')
      local record = redis.call('HMGET', download_key(download_id), 'site', 'caller', 'status', 'attempt', 'jobs_running')
      if record[3] ~= 'queued' or record[4] + 1 ~= tonumber(attempt)
        or not redis.call('ZSCORE', pause .. keys.HELD_BY, arq_id) then
        pauses.let_go(pause, arq_id)
        redis.call('ZREM', pause .. keys.BY_CALLER, place)
      else
        if next_caller == first then break end -- all had their turn
        first, caller = first or next_caller, next_caller
        local groups = groups_of(record[1], record[2])
        if not is_any_full(groups, record) then
          chosen, its_groups = arq_id, groups
          break
        end
      end
    end
    if caller then redis.call('HSET', pause, 'turn', caller) end
    if not chosen then return end
    local download_id = string.match(chosen, '^(.*):%d+$')
    pauses.let_go(pause, chosen)
    redis.call('HSET', pause, 'trial', download_id)
    redis.call('HSET', download_key(download_id), 'due', now)
    redis.call('ZADD', keys.QUEUE, now, chosen) -- found again where this worker dies before it claims
    reserve_places(its_groups, download_id)
    if its_groups[2] then end_turn(its_groups[2], chosen) end
    picked[#picked + 1] = chosen
    return true
  end

  -- The time of a pause is over, or that at which its trial is looked at.
  function look_at_pause(pause)
    local state = redis.call('HMGET', pause, 'until', 'over', 'trial')
    if not state[1] or state[2] then return pauses.finish(pause) end
    if state[3] and goes_on(state[3]) then return redis.call('ZADD', keys.PAUSES, now + TRIAL_LOOK, pause) end
    redis.call('HDEL', pause, 'trial')
    if pick_trial(pause) then
      redis.call('ZADD', keys.PAUSES, now + TRIAL_LOOK, pause)
    elseif redis.call('EXISTS', pause .. keys.HELD_BY) == 1 then
      redis.call('ZADD', keys.PAUSES, now + AGAIN, pause)
    else
      pauses.forget(pause)
    end
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
  local pause, trial
  if any_pauses then pause, trial = find_pause(record[1], download_id) end
  if pause and trial == download_id and full then
    redis.call('HDEL', pause, 'trial') -- its place was lost since it was picked
    redis.call('ZADD', keys.PAUSES, now + AGAIN, pause)
    trial = nil
  end
  if pause and trial ~= download_id then
    hold_in_pause(pause, download_id, arq_id, record)
  elseif full then
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

local function find_due(key, most)
  return redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, most)
end

if any_pauses then
  find_limits()
  for _, pause in ipairs(find_due(keys.PAUSES, 16)) do
    if #picked < many then look_at_pause(pause) end
  end
end
if any_times then
  for _, group in ipairs(find_due(keys.STARTS, 64)) do
    redis.call('ZREM', keys.STARTS, group)
    wake_for_site(group)
  end
end

-- Looks at a bounded number: what is parked leaves the front of the queue, so the next call finds what comes after it.
-- A look makes others ready, which the next look takes where places are left.
local seen, left = {}, most
local ready
repeat
  woken, more = {}, false
  ready, first_ready = first_ready or find_ready(), nil
  if ready[1] and not limits then find_limits() end
  for i = 1, #ready, 2 do
    if #picked < many and left > 0 and not seen[ready[i]] then
      seen[ready[i]], left = true, left - 1
      take_attempt(ready[i], ready[i + 1])
    end
  end
until #picked >= many or left == 0 or not more
local due = next_delayed and math.max(0, next_delayed - now) or -1
if any_times or has_rules then
  for _, key in ipairs({ keys.PAUSES, keys.STARTS }) do
    local next_one = first_time(key)
    if next_one and next_one < keys.PARKED_SCORE and (due < 0 or next_one - now < due) then due = math.max(0, next_one - now) end
  end
end
if (left == 0 or #ready == 2 * most) and #picked < many then due = 0 end
table.insert(picked, 1, due)
return picked
