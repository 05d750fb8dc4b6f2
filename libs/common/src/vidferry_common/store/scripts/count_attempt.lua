-- Counts an attempt for the version of yt-dlp that it ran: by its caller and site, once however often they try.
-- KEYS: download; args: version, worked (whether it did), keep_s, most_versions, most (callers and sites of each version)
local args = cjson.decode(ARGV[1])
local record = redis.call('HMGET', KEYS[1], 'site', 'caller')
if not record[1] then return end
allow_writes(KEYS[1])
local now, counted = now_ms(), keys.YT_DLP_ATTEMPTS
redis.call('ZADD', counted, now, args.version)
redis.call('EXPIRE', counted, args.keep_s)
if redis.call('ZCARD', counted) > args.most_versions then
  local oldest = redis.call('ZPOPMIN', counted)[1]
  redis.call('DEL', counted .. ':' .. oldest .. keys.WORKED, counted .. ':' .. oldest .. keys.FAILED)
end
local key = counted .. ':' .. args.version .. (args.worked and keys.WORKED or keys.FAILED)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - args.keep_s * 1000)
redis.call('ZADD', key, now, (record[2] or '') .. ' ' .. record[1])
redis.call('EXPIRE', key, args.keep_s)
-- Any of them goes, so one caller with many sites pushes out its own above all.
if redis.call('ZCARD', key) > args.most then redis.call('ZREM', key, redis.call('ZRANDMEMBER', key)) end
