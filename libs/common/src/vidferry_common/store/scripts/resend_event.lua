-- Puts an event of a job into its outbox again.
-- KEYS: job; args: job_id, event (its type), seq, log (what is told of it from now on), message, record_seconds, queue_bytes
-- Returns sent | waiting (it waits already) | none (there is no such event) | no_memory | events_waiting (too many, as for a
-- new job with a webhook: else whoever may send events again could fill the memory for what waits).
local args = cjson.decode(ARGV[1])
local owner, webhook = unpack(redis.call('HMGET', KEYS[1], 'owner', 'webhook'))
local log = KEYS[1] .. keys.DELIVERY_LOG
local told = redis.call('HGET', log, args.seq)
if not webhook or not told then return 'none' end
if (cjson.decode(told).status or 'pending') == 'pending' then return 'waiting' end
local share, _, undelivered = look_at_memory()
if share >= REFUSED then return 'no_memory' end
local sent = { webhook = webhook, owner = owner or '' }
if check_events_waiting(sent, forget_lost_events(undelivered), args.queue_bytes, 0) then return 'events_waiting' end
add_event(args.job_id, webhook, args.event, args.seq, args.message, args.record_seconds)
redis.call('HSET', log, args.seq, args.log)
return 'sent'
