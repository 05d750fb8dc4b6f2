-- Sends a message to all jobs of a download, if the caller holds the fence.
-- It runs for every message, so its arguments are positional: named ones would cost the decoding of JSON.
-- KEYS: download; ARGV: attempt, body, step ('1' or ''), record seconds
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds_fence(KEYS[1], ARGV[1]) then return false end
local step = ARGV[3] == '1'
if step then set_expiry(KEYS[1], ARGV[4]) end
return deliver_to_all(KEYS[1], ARGV[2], step, ARGV[4])
