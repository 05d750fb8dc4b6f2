-- Tells a download's jobs something, if the caller holds the fence.
-- KEYS: download; ARGV: attempt, body, step ('1' or ''), record seconds
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds(KEYS[1], ARGV[1]) then return false end
local jobs = tell(KEYS[1], ARGV[2], ARGV[3] == '1', false, ARGV[4])
expire(KEYS[1], ARGV[4])
return jobs
