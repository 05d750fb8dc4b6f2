"""Many events in Redis at once, without the jobs that they tell of."""

import json

from support.records import new_job, of
from vidferry_common.contract import keys
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.webhooks import EventType, Webhook
from vidferry_common.store.client import RedisClient
from vidferry_common.store.scripts import script_text

SEQ = 2
_BATCH = 250
"""events by one script"""
_WITHOUT = "local args = "
"""begins what a script does beside the functions that it shares with others"""
_LOOP = """
for number = ARGV[1], ARGV[2] do
  local id = ARGV[3] .. string.format('%012d', number)
  if ARGV[6] ~= '' then redis.call('HSET', '{job}' .. id, 'owner', ARGV[6]) end
  add_event(id, ARGV[4], 'job.failed', {seq}, ARGV[5], 3600)
end
"""


async def add_events(
    redis: RedisClient,
    url: str,
    count: int,
    domain: str,
    prefix: str = "00000000-0000-4000-8000-",
    first: int = 1,
    owner: str = "",
) -> None:
    """One event each of jobs whose ids are the prefix and a number of twelve digits."""
    field = Webhook(url, (EventType.JOB_FAILED,)).record_field(JobKind.DOWNLOAD, owner, domain)
    data = {"timestamp": "2026-01-31T09:30:00.125Z", "status": "failed", "metadata": "x" * 1500}
    message = json.dumps({"traceparent": new_job().traceparent, "data": data})
    script = script_text("add_task").rpartition(_WITHOUT)[0] + _LOOP.format(seq=SEQ, job=keys.JOB)
    for begin in range(first, first + count, _BATCH):
        last = min(first + count, begin + _BATCH) - 1
        await of(redis.eval(script, 0, str(begin), str(last), prefix, field, message, owner))
