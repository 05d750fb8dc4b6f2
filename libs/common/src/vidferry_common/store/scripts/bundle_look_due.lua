-- When the leader is to look for a newer bundle: when the last look is that old, and at once where a download asks for it.
-- KEYS: looks, leader; args: worker, interval_ms (between two looks), ended (whether the worker has just ended one),
--       watch_ms (for which it is known that somebody looks), switch_ms (in which the fleet switches to a new bundle)
-- Downloads that wait for a look are tried again once it has ended: at once, or when the fleet has switched.
-- Returns the ms until a look is due, or false where another worker leads.
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
if redis.call('HGET', KEYS[2], 'worker') ~= args.worker then return false end
local now = now_ms()
if args.ended then redis.call('HSET', KEYS[1], 'looked', now) end
redis.call('HSET', KEYS[1], 'watched_until', now + args.watch_ms)
local record = redis.call('HMGET', KEYS[1], 'looked', 'asked')
local looked, asked = tonumber(record[1] or 0), tonumber(record[2] or 0)
if asked > looked then return 0 end

local function try_again(arq_id, due)
  local planned = redis.call('ZSCORE', keys.DELAYED, arq_id)
  if not planned or tonumber(planned) <= due then return end
  redis.call('ZADD', keys.DELAYED, due, arq_id)
  redis.call('ZADD', keys.QUEUE, 'XX', due, arq_id)
  redis.call('HSET', download_key(string.match(arq_id, '^(.*):%d+$')), 'due', due, 'queued_since', due)
  ring_doorbell(keys.DOORBELL)
end

local published = redis.call('HGET', keys.BUNDLE, 'published')
local due = math.max(now, (published or 0) + args.switch_ms)
local waiting = redis.call('ZPOPMIN', keys.AWAITING_BUNDLE, 1000)
for i = 1, #waiting, 2 do try_again(waiting[i], due) end
return math.max(0, looked + args.interval_ms - now)
