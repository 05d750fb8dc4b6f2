-- Ends one job. Its download goes on for the other jobs, and stops with the last.
-- KEYS: job; args: job_id, seq (that the body was made at), body, record_seconds, expires_at
-- Returns cancelled | ended (before) | moved (there is a newer message) | none (no such job).
local args = cjson.decode(ARGV[1])
local outcome = cancel_job(args.job_id, args.seq, args.body, args)
make_room_for_ended(args)
return outcome
