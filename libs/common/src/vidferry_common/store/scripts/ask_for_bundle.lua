-- A download that failed because yt-dlp is too old asks for a look for a newer bundle.
-- KEYS: looks; args: version (of yt-dlp that failed), pause_ms (between two looks that are asked for), wait_ms (the longest
--       that a look may take), switch_ms (in which the fleet switches to a new bundle)
-- Returns how many ms the download is to wait: for the look, or for the fleet to switch to a bundle that there is already.
-- 0 where a look has just found nothing; false where nobody looks.
local args = cjson.decode(ARGV[1])
local now = now_ms()
local record = redis.call('HMGET', KEYS[1], 'watched_until', 'looked', 'asked')
local watched_until, looked, asked = tonumber(record[1] or 0), tonumber(record[2] or 0), tonumber(record[3] or 0)
if watched_until <= now then return false end
local current = redis.call('HGET', keys.BUNDLE, 'version')
if current and current ~= args.version then return args.switch_ms end
if asked <= looked then
  if now - looked < args.pause_ms then return 0 end
  redis.call('HSET', KEYS[1], 'asked', now)
end
return args.wait_ms
