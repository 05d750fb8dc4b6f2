-- Reads one stretch of an index of jobs, the newest first. It looks at a bounded number of ids, and drops those whose record
-- is gone: records expire by themselves, and an older release knows no index.
-- KEYS: index; args: place (ms and id of the last job before the stretch; left out at the beginning), since_ms, before (a score
--       in ZCOUNT's notation; the jobs from there on are left out), most (ids to look at), count (jobs to return), fields (of
--       their records), statuses (set; left out: any), site, kind (left out: any), open (whether the index is of open jobs),
--       ids (of the jobs to look at, in their order, in place of the index; left out: none)
-- Returns {1 where there are no more, ms and id of the last job that was looked at, then id and fields of each job found}.
local args = cjson.decode(ARGV[1])
local index = KEYS[1]

-- How many jobs come before those that follow a place. The job at that place may have been deleted since.
local function count_up_to(ms, id)
  local rank = redis.call('ZREVRANK', index, id)
  if rank then return rank + 1 end
  local newer = redis.call('ZCOUNT', index, string.format('(%.0f', ms), '+inf')
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', index, ms, ms, 'LIMIT', 0, 1000)) do
    if other > id then newer = newer + 1 end
  end
  return newer
end

-- Whether a job is one that was asked for; nil if the index should not have it. An ended job's record has its status and its
-- site in one small field, for reading whole messages would take most of the time, and a ninth field many bytes. The first
-- status in a message is the job's.
local function matches(job)
  if not (args.site or args.statuses or args.kind or args.open) then return true end
  local created, epoch, site, filed, kind = unpack(redis.call('HMGET', job, 'created', 'epoch', 'site', 'filed', 'kind'))
  local status
  if filed then status, site, kind = string.match(filed, '^(%S+) (%S*) ?(%S*)$') end
  if not created or args.open and not epoch then return nil end
  if args.site and args.site ~= site then return false end
  if args.kind and args.kind ~= (kind or '') then return false end
  if not args.statuses then return true end
  return args.statuses[status or string.match(redis.call('HGET', job, 'state') or '', '"status":"([a-z]+)"')] or false
end

if args.ids then
  local found = {}
  for _, id in ipairs(args.ids) do
    local job = keys.JOB .. id
    local record = matches(job) and redis.call('HMGET', job, unpack(args.fields))
    if record and record[1] then
      found[#found + 1] = id
      found[#found + 1] = record
    end
  end
  return found
end

local first = args.place and count_up_to(args.place[1], args.place[2]) or redis.call('ZCOUNT', index, args.before, '+inf')
local ids = redis.call('ZREVRANGE', index, first, first + args.most - 1, 'WITHSCORES')
local at_end, last_ms, last_id, reply = #ids < 2 * args.most, '', '', {}
for i = 1, #ids, 2 do
  if tonumber(ids[i + 1]) < args.since_ms then
    at_end = true
    break
  end
  last_id, last_ms = ids[i], ids[i + 1]
  local job = keys.JOB .. last_id
  local wanted = matches(job)
  local record = wanted and redis.call('HMGET', job, unpack(args.fields))
  if wanted == nil or wanted and not record[1] then
    redis.call('ZREM', index, last_id)
  elseif wanted then
    reply[#reply + 1] = last_id
    reply[#reply + 1] = record
    if #reply == 2 * args.count then
      at_end = at_end and i + 2 > #ids
      break
    end
  end
end
return { at_end and 1 or 0, last_ms, last_id, unpack(reply) }
