-- The objects whose time has come, the earliest first, without those that are being handed out. Only the leader removes them.
-- KEYS: leader, expiring, pinned; args: worker, most
-- Returns version and record of each; false where another worker leads.
local args = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[1], 'worker') ~= args.worker then return false end
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_ms(), 'LIMIT', 0, 10 * args.most)) do
  local entry = read_object(id)
  if not entry then
    redis.call('ZREM', KEYS[2], id)
  elseif (tonumber(redis.call('ZSCORE', KEYS[3], cjson.decode(entry.record).name) or nil) or 0) < now_ms() then
    found[#found + 1] = entry.version .. ' ' .. entry.record
    if #found == args.most then break end
  end
end
return found
