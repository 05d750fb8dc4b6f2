-- The pauses of sites. It stands behind lib.lua, which declares these functions, and is defined where a script meets a pause:
-- Redis would make all of these functions anew at each call.
-- A pause is of one site, one credential and one way out. It holds what would start there: not on the queue, in its order.
-- When its time is over, one trial goes (pick.lua). If the site answers that, the pause is over; if it refuses again, the
-- pause begins anew and is longer.

pauses = {}

-- Between two refusals that tell when they end: a later end counts where it is later by this (ms).
local LATER = 5000

function pauses.forget(pause)
  redis.call('DEL', pause, pause .. keys.HELD_BY, pause .. keys.BY_CALLER, pause .. keys.UNTOLD)
  redis.call('ZREM', keys.PAUSES, pause)
  redis.call('SREM', keys.PAUSE_NEWS, pause)
end

-- A pause is over: what it holds goes back on the queue, by tend_pauses.lua.
function pauses.finish(pause)
  if redis.call('EXISTS', pause .. keys.HELD_BY) == 0 then return pauses.forget(pause) end
  redis.call('HSET', pause, 'over', '1')
  redis.call('ZADD', keys.PAUSES, keys.PARKED_SCORE, pause)
  redis.call('SADD', keys.PAUSE_NEWS, pause)
end

function pauses.forget_held(arq_id)
  redis.call('ZREM', keys.HELD, arq_id)
  if redis.call('EXISTS', keys.HELD) == 0 then redis.call('ZREM', keys.QUEUE, keys.HELD) end
end

-- What stands for an attempt in the order by callers. Orders are times in ms, which have 13 digits.
local function place_of(caller, order, arq_id)
  return string.format('%s %017.3f %s', caller or '', order, arq_id)
end

local function caller_of(arq_id)
  return redis.call('HGET', download_key(string.match(arq_id, '^(.*):%d+$')), 'caller')
end

-- Takes an attempt out of the order by callers. Where its record has expired, that is left to the next look for a trial.
function pauses.leave_callers(pause, arq_id, order)
  redis.call('ZREM', pause .. keys.BY_CALLER, place_of(caller_of(arq_id), order, arq_id))
end

-- Gives an attempt that the pause holds another place among its others.
function pauses.reorder(pause, arq_id, order)
  local before = redis.call('ZSCORE', pause .. keys.HELD_BY, arq_id)
  if not before then return end
  pauses.leave_callers(pause, arq_id, before)
  redis.call('ZADD', pause .. keys.HELD_BY, order, arq_id)
  redis.call('ZADD', pause .. keys.BY_CALLER, 0, place_of(caller_of(arq_id), order, arq_id))
end

-- The first place of the next caller of whom the pause holds something, in a circle: the attempt's arq id, its caller, and the
-- place. Nothing where it holds nothing.
function pauses.next_caller(pause, caller)
  local from = caller and '(' .. caller .. '!' or '-' -- '!' is what follows the space behind a caller
  local place = redis.call('ZRANGEBYLEX', pause .. keys.BY_CALLER, from, '+', 'LIMIT', 0, 1)[1]
    or redis.call('ZRANGE', pause .. keys.BY_CALLER, 0, 0)[1]
  if place then
    local its_caller, arq_id = string.match(place, '^(%S*) %S+ (.*)$')
    return arq_id, its_caller, place
  end
end

-- Takes a download out of the pause that holds it. Returns whether it was held.
function pauses.let_go(pause, arq_id)
  local order = redis.call('ZSCORE', pause .. keys.HELD_BY, arq_id)
  if not order then return false end
  pauses.leave_callers(pause, arq_id, order)
  redis.call('ZREM', pause .. keys.HELD_BY, arq_id)
  redis.call('ZREM', pause .. keys.UNTOLD, arq_id)
  pauses.forget_held(arq_id)
  return true
end

-- An attempt leaves the pause that holds it, or that it was the trial of. Where the trial has told nothing of the site, a
-- pick chooses another one at once.
function pauses.leave(pause, download_id, arq_id, site_answered)
  redis.call('HDEL', download_key(download_id), 'pause')
  if pauses.let_go(pause, arq_id) or redis.call('HGET', pause, 'trial') ~= download_id then return end
  redis.call('HDEL', pause, 'trial')
  if site_answered then return pauses.finish(pause) end
  redis.call('ZADD', keys.PAUSES, 'XX', now_ms(), pause)
  ring_doorbell(keys.DOORBELL)
end

function pauses.key_of(site, credential, way)
  return keys.SITE .. site .. keys.ACCOUNT .. (credential or '') .. keys.PAUSE .. way
end

-- A time in ms as RFC 3339 in UTC. Days are counted from March (https://howardhinnant.github.io/date_algorithms.html).
local function format_time(ms)
  local days = math.floor(ms / 86400000) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * month + 2) / 5) + 1
  month = month < 10 and month + 3 or month - 9
  year = year + era * 400 + (month <= 2 and 1 or 0)
  local rest = math.floor(ms % 86400000)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', year, month, day, math.floor(rest / 3600000),
    math.floor(rest / 60000) % 60, math.floor(rest / 1000) % 60, rest % 1000)
end

-- The body with another message, and another end: the time of the next try, and why the site pauses until then. All are JSON.
-- These are the last fields of a body that waits (Update.body). No text imitates the names of fields: its quotes are escaped.
function pauses.with_message(body, message, ending)
  local _, from = string.find(body, '"message":', 1, true)
  local to = from and string.find(body, ',"attempt":', from, true)
  local _, at = string.find(body, '"retry_at":', to or 1, true)
  if not to or not at then return body end
  return string.sub(body, 1, from) .. message .. string.sub(body, to, at) .. ending
end

-- The body of a download that waits until then. sentence: why, as JSON, with %H:%M in place of the time.
function pauses.waiting_body(body, sentence, code, until_ms)
  local time = format_time(until_ms)
  local from, to = string.find(sentence, '%H:%M', 1, true)
  local message = string.sub(sentence, 1, from - 1) .. string.sub(time, 12, 16) .. string.sub(sentence, to + 1)
  return pauses.with_message(body, message, '"' .. time .. '","pause_code":"' .. code .. '"')
end

-- Sends a body to all jobs of a download that may wait for longer than their records are kept else.
function pauses.tell_waiting(download, body, ttl)
  for _, job_id in ipairs(deliver_to_all(download, body, false, ttl)) do
    redis.call('EXPIRE', keys.JOB .. job_id, ttl)
    redis.call('EXPIRE', keys.JOB .. job_id .. keys.HISTORY, ttl)
  end
  redis.call('EXPIRE', download .. keys.STEPS, ttl)
  set_expiry(download, ttl)
end

-- Takes an attempt off the queue until the pause is over. One mark on the queue stands for all that is held, so that an
-- autoscaler leaves a worker.
function pauses.hold(pause, download_id, arq_id, order)
  redis.call('ZREM', keys.QUEUE, arq_id)
  redis.call('ZADD', pause .. keys.HELD_BY, order, arq_id)
  redis.call('ZADD', pause .. keys.BY_CALLER, 0, place_of(caller_of(arq_id), order, arq_id))
  redis.call('ZADD', keys.HELD, now_ms(), arq_id)
  redis.call('ZADD', keys.QUEUE, keys.HELD_SCORE, keys.HELD)
  redis.call('HSET', download_key(download_id), 'pause', pause)
end

-- A site has refused an attempt: begins its pause, or makes it longer. A refusal while it pauses is of an attempt that ran
-- before: only a later end of it counts.
-- how: code, sentence (as pauses.waiting_body takes it), first_ms (length of a first pause), longest_ms, asked_ms (that the site
-- asks for, else 0), record_seconds. is_trial: whether it was the trial's. may_begin: whether this may begin a pause.
-- Returns when the pause ends; nothing where the site doesn't pause.
function pauses.begin(pause, how, is_trial, may_begin)
  local record, now = redis.call('HMGET', pause, 'until', 'length', 'over'), now_ms()
  local ends, length = tonumber(record[1] or nil), tonumber(record[2] or nil)
  if ends and not record[3] and not is_trial then
    if ends <= now or now + how.asked_ms < ends + LATER then return ends end
    ends = now + how.asked_ms
  elseif is_trial then
    length = math.max(math.min(2 * length, how.longest_ms), how.asked_ms)
    ends = now + length
  elseif may_begin and (ends or redis.call('ZCARD', keys.PAUSES) < keys.MAX_PAUSES) then
    length = how.asked_ms > 0 and how.asked_ms or how.first_ms
    ends = now + length
  else
    return
  end
  redis.call('HDEL', pause, 'trial', 'over')
  redis.call('HSET', pause, 'until', ends, 'length', length, 'code', how.code, 'sentence', how.sentence)
  redis.call('EXPIRE', pause, how.record_seconds)
  redis.call('ZADD', keys.PAUSES, ends, pause)
  if redis.call('ZUNIONSTORE', pause .. keys.UNTOLD, 1, pause .. keys.HELD_BY) > 0 then
    redis.call('SADD', keys.PAUSE_NEWS, pause)
  end
  return ends
end
