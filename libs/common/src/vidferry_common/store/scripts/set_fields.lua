-- Keeps facts in the record of a download, if there still is one.
-- KEYS: download; ARGV: field, value for each
admit(KEYS[1])
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
