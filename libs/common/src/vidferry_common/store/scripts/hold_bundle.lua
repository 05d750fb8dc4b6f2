-- Has a version of yt-dlp never be published. The fleet goes on with it where it runs it already.
-- KEYS: held; args: version, reason, most (versions held)
local args = cjson.decode(ARGV[1])
allow_writes(KEYS[1])
if redis.call('HEXISTS', KEYS[1], args.version) == 0 then hold_version(args.version, args.reason, args.most) end
