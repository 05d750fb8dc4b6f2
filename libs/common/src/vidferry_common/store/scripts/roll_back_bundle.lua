-- Has the fleet go back to the bundle before, or to the yt-dlp of its image, and holds the version that it ran.
-- KEYS: bundle, leader; args: worker, version (that the fleet is to leave), reason, most (versions held)
-- Returns whether it has: not where another worker leads, or the fleet runs another version.
local args = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[2], 'worker') ~= args.worker then return 0 end
if redis.call('HGET', KEYS[1], 'version') ~= args.version then return 0 end
allow_writes(KEYS[1])
hold_version(args.version, args.reason, args.most)
if redis.call('EXISTS', keys.BUNDLE_BEFORE) == 1 then
  redis.call('RENAME', keys.BUNDLE_BEFORE, KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return 1
