-- Ends a download and all its jobs, if the caller holds the fence.
-- KEYS: download; ARGV: download id, attempt, body, record seconds, then field, value of the record for each fact
-- Returns the ids of the jobs told, or false where another attempt has taken over.
if not holds(KEYS[1], ARGV[2]) then return false end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return end_download(KEYS[1], ARGV[1], ARGV[3], ARGV[4])
