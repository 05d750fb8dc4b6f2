-- Tells a download's jobs something, if the caller holds the fence.
-- KEYS: download; ARGV: attempt, body, step ('1' or ''), record seconds
-- Returns 1, or 0 where another attempt has taken over.
if not holds(KEYS[1], ARGV[1]) then return 0 end
tell(KEYS[1], ARGV[2], ARGV[3] == '1', false, ARGV[4])
expire(KEYS[1], ARGV[4])
return 1
