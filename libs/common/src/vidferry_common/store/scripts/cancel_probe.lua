-- Ends a probe. The worker that looks notices that its task is gone.
-- KEYS: job; args: job_id, seq (that the body was made at), body, record_seconds, expires_at
-- Returns as cancel.lua does.
local args = cjson.decode(ARGV[1])
local record = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'seq')
if not record[1] then return 'none' end
if not record[2] then return 'ended' end
if tonumber(record[3]) ~= args.seq then return 'moved' end
end_probe(args.job_id, args)
return 'cancelled'
