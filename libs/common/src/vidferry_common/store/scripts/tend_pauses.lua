-- Does what the pauses of sites leave to be done for each download: tells those that wait until when, and puts back on the
-- queue, in their order, those whose pause is over.
-- args: most (downloads of one call), released (what those are told that are back on the queue, as JSON), record_seconds
-- Returns how many pauses have more to be done.
local args = cjson.decode(ARGV[1])
define_pauses()
local pause = redis.call('SRANDMEMBER', keys.PAUSE_NEWS)
if not pause then return 0 end
allow_writes(keys.ROOM)

-- The record of a held download; nothing where it is gone, or runs on a worker that knew of no pause.
local function read_held(arq_id)
  local download_id, attempt = string.match(arq_id, '^(.*):(%d+)$')
  local download = download_key(download_id)
  local record = redis.call('HMGET', download, 'status', 'attempt', 'body', 'site', 'caller', 'queued_since', 'head_start')
  if record[1] == 'queued' and record[2] + 1 == tonumber(attempt) then return record, download end
end

local function release(arq_id, order)
  pauses.leave_callers(pause, arq_id, order)
  pauses.forget_held(arq_id)
  local record, download = read_held(arq_id)
  if not record then return end
  redis.call('HDEL', download, 'pause')
  redis.call('HSET', download, 'due', now_ms())
  pauses.tell_waiting(download, pauses.with_message(record[3], args.released, 'null'), args.record_seconds)
  line_up(groups_of(record[4], record[5]), arq_id, record[6], record[7])
end

local state = redis.call('HMGET', pause, 'until', 'sentence', 'over', 'code')
if state[3] or not state[1] then
  local held = redis.call('ZPOPMIN', pause .. keys.HELD_BY, args.most)
  for i = 1, #held, 2 do release(held[i], held[i + 1]) end
  if redis.call('EXISTS', pause .. keys.HELD_BY) == 0 then pauses.forget(pause) end
else
  local untold = redis.call('ZPOPMIN', pause .. keys.UNTOLD, args.most)
  for i = 1, #untold, 2 do
    local record, download = read_held(untold[i])
    if record then pauses.tell_waiting(download, pauses.waiting_body(record[3], state[2], state[4], state[1]), args.record_seconds) end
  end
  if redis.call('EXISTS', pause .. keys.UNTOLD) == 0 then redis.call('SREM', keys.PAUSE_NEWS, pause) end
end
return redis.call('SCARD', keys.PAUSE_NEWS)
