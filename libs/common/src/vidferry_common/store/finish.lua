-- Ends a download and all its jobs, if the caller holds the fence.
-- KEYS: download; ARGV: download id, attempt, body, record seconds
-- Returns 1, or 0 where another attempt has taken over.
if not holds(KEYS[1], ARGV[2]) then return 0 end
end_download(KEYS[1], ARGV[1], ARGV[3], ARGV[4])
return 1
