-- Tells a download's jobs something, if the caller holds the fence.
-- The one that runs for every message: its arguments have places, not names, which decoding JSON would cost it.
-- KEYS: download; ARGV: attempt, body, step ('1' or ''), record seconds
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds(KEYS[1], ARGV[1]) then return false end
local step = ARGV[3] == '1'
if step then expire(KEYS[1], ARGV[4]) end
return deliver_to_all(KEYS[1], ARGV[2], step, ARGV[4])
