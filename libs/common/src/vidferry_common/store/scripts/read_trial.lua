-- What attempts on a bundle that is new came to, and those on the version before it.
-- KEYS: bundle, leader; args: worker, trial_ms (for which a bundle is new), before_ms (of the version before, up to its
--       publication)
-- Returns version, then callers and sites: worked before, failed before, worked since, failed since; false where another
-- worker leads, or no bundle is new.
local args = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[2], 'worker') ~= args.worker then return false end
local record = redis.call('HMGET', KEYS[1], 'version', 'previous', 'published')
local published = tonumber(record[3] or 0)
if not record[1] or (record[2] or '') == '' or now_ms() - published > args.trial_ms then return false end
local function read(version, outcome, since)
  return redis.call('ZRANGEBYSCORE', keys.YT_DLP_ATTEMPTS .. ':' .. version .. outcome, string.format('%.0f', since), '+inf')
end
local before = published - args.before_ms
return { record[1], read(record[2], keys.WORKED, before), read(record[2], keys.FAILED, before),
  read(record[1], keys.WORKED, published), read(record[1], keys.FAILED, published) }
