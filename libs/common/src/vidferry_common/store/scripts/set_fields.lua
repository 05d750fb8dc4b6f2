-- Sets fields in the record of a download, if there still is one.
-- KEYS: download; args: fields
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
if redis.call('EXISTS', KEYS[1]) == 0 then return end
for field, value in pairs(args.fields) do redis.call('HSET', KEYS[1], field, value) end
