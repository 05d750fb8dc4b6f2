-- A site has refused a running download, and wants fewer requests: pauses the site, and holds the download until that is over.
-- KEYS: download; args: download_id, attempt, limit (refusals before the download fails), way (out), code, sentence (as
--       pauses.waiting_body takes it), first_ms, longest_ms and asked_ms (of the pause, as pauses.begin takes them), body,
--       failure (the body at the limit), record_seconds, expires_at, arq (of the next attempt: id, payload, ms)
-- The first refusal of a download may begin a pause, and so does each one of a trial; a download that is refused while others
-- are answered waits by itself, and longer each time. Returns requeued | ended | stale.
local args = cjson.decode(ARGV[1])
define_pauses()
local id, attempt = args.download_id, tostring(args.attempt)
if not holds_fence(KEYS[1], attempt) then return 'stale' end
allow_writes(KEYS[1])
local now, record = now_ms(), redis.call('HMGET', KEYS[1], 'site', 'credential', 'pause', 'caller')
local refusals = redis.call('HINCRBY', KEYS[1], 'refusals', 1)
local pause = pauses.key_of(record[1] or '', record[2], args.way)
local is_trial = record[3] == pause and redis.call('HGET', pause, 'trial') == id
local is_last = refusals > args.limit
-- One URL that is always refused, and is all that waits, leaves no pause behind.
local ends
if not is_last or redis.call('EXISTS', pause .. keys.HELD_BY) == 1 then ends = pauses.begin(pause, args, is_trial, refusals == 1) end
if ends then redis.call('HSET', pause, 'turn', record[4] or '') end
if is_last then
  end_download(KEYS[1], id, attempt, args.failure, facts_of(KEYS[1], {}), nil, args)
  return 'ended'
end
leave_queue(KEYS[1], id, id .. ':' .. attempt)
store_arq_job(args.arq)
if ends then
  redis.call('HSET', KEYS[1], 'status', 'queued', 'due', now, 'queued_since', now)
  pauses.hold(pause, id, args.arq.id, now) -- behind all others, so that the next trial is another one
else
  ends = now + math.max(math.min(args.first_ms * 2 ^ (refusals - 1), args.longest_ms), args.asked_ms)
  redis.call('HSET', KEYS[1], 'status', 'queued', 'due', ends, 'queued_since', ends)
  redis.call('ZADD', keys.QUEUE, ends, args.arq.id)
  redis.call('ZADD', keys.DELAYED, ends, args.arq.id)
end
pauses.tell_waiting(KEYS[1], pauses.waiting_body(args.body, args.sentence, args.code, ends), args.record_seconds)
return 'requeued'
