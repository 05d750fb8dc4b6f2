-- What the workers run, of those whose reports count.
-- KEYS: reporting workers
-- Returns worker, report, …, by their names.
local args = cjson.decode(ARGV[1])
local found = {}
local workers = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.3f', now_ms()), '+inf', 'LIMIT', 0, args.most)
table.sort(workers)
for _, worker in ipairs(workers) do
  local report = redis.call('HGET', keys.WORKER_VERSIONS, worker)
  if report then
    found[#found + 1] = worker
    found[#found + 1] = report
  end
end
return found
