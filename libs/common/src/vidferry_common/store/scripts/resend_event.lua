-- Puts an event of a job into its outbox again.
-- KEYS: job; args: job_id, event (its type), seq, log (what is told of it from now on), message, record_seconds
-- Returns sent | waiting (it waits already) | none (there is no such event) | no_memory.
local args = cjson.decode(ARGV[1])
local webhook, log = redis.call('HGET', KEYS[1], 'webhook'), KEYS[1] .. keys.DELIVERY_LOG
local told = redis.call('HGET', log, args.seq)
if not webhook or not told then return 'none' end
if (cjson.decode(told).status or 'pending') == 'pending' then return 'waiting' end
if (look_at_memory()) >= REFUSED then return 'no_memory' end
add_event(args.job_id, webhook, args.event, args.seq, args.message, args.record_seconds)
redis.call('HSET', log, args.seq, args.log)
return 'sent'
