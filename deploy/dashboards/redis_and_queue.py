"""The dashboard *Redis and queue*: what waits, what runs, Redis' memory and answers, webhooks that wait."""

from boards import Board, Rows
from panels import graph, number, quantiles, rate, series
from vidferry_common.metrics import catalogue as m

USED, MOST = (series(m.REDIS_MEMORY, "", f'kind="{kind}"') for kind in ("used", "max"))

ROWS: Rows = {
    "Now": [
        number("Redis", "1 if Redis answers every api.", "short", f"min({series(m.REDIS_UP)})"),
        number("Memory in use", "Share of maxmemory; from 80 % on ended jobs go early, from 90 % on none is accepted.",
               "percentunit", f"max({USED}) / (max({MOST}) > 0)"),
        number("Oldest waiting", "How long the oldest ready download has waited.", "s",
               f"max({series(m.QUEUE_OLDEST)})"),
        number("Oldest running", "How long the oldest attempt has been running.", "s",
               f"max({series(m.OLDEST_ATTEMPT)})"),
        number("Oldest event", "How long the oldest event has waited for its receiver.", "s",
               f"max({series(m.UNDELIVERED_OLDEST)})"),
        number("Jobs with events", "Jobs whose events wait for receivers.", "short", f"max({series(m.UNDELIVERED)})"),
    ],
    "Queue": [
        graph("Queue depth", "By state; deferred downloads wait for a retry.", "short",
              [(f"max by (state) ({series(m.QUEUE)})", "{{state}}")]),
        graph("Waiting time", "From when an attempt could start to when a worker claimed it.", "s",
              quantiles(m.QUEUE_WAIT)),
        graph("Starts and ends", "Attempts that workers claimed, and downloads that ended.", "ops",
              [(f"sum(rate({series(m.QUEUE_WAIT, '_count')}[$__rate_interval]))", "claimed"),
               (rate(m.DOWNLOADS_FINISHED), "ended")]),
        graph("Webhooks", "Tries to deliver events, by outcome.", "ops",
              [(rate(m.WEBHOOKS, "outcome"), "{{outcome}}")]),
    ],
    "Redis": [
        graph("Memory", "In use, and maxmemory.", "bytes",
              [(f"max by (kind) ({series(m.REDIS_MEMORY)})", "{{kind}}")]),
        graph("Round trip", "How long Redis takes to answer a probe, by pod.", "s",
              [(series(m.REDIS_ROUND_TRIP), "{{pod}}")]),
        graph("Answers", "1 if Redis answers the api, and if the gateway has its subscription.", "short",
              [(series(m.REDIS_UP), "{{pod}}"), (series(m.REDIS_CONNECTED), "{{pod}}")]),
        graph("Clock offset", "Offset of each process' clock from Redis'.", "s",
              [(f"max by (pod) (abs({series(m.CLOCK_OFFSET)}))", "{{pod}}")]),
        graph("Published", "Steps and progress messages of the workers.", "ops",
              [(rate(m.PUBLISHED, "kind"), "{{kind}}")]),
        graph("Refused for memory", "Jobs that Redis or the queue had no room for.", "reqps",
              [(rate(m.JOBS_REFUSED, "reason", 'reason=~"redis_full|queue_full|events_waiting"'), "{{reason}}")]),
    ],
}  # fmt: skip
BOARD = Board(
    "redis-and-queue",
    "vidferry-redis-queue",
    "Vidferry: Redis and queue",
    "What waits and for what, and how Redis does. The metrics are explained in docs/metrics.md.",
    ROWS,
)
