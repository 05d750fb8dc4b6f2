"""The dashboard *Progress and latency*: queue, stages, message latency, errors, sockets."""

from boards import Board, Rows
from panels import graph, number, quantile_by, quantiles, rate, series
from vidferry_common.metrics import catalogue as m

WAITING, RUNNING = (series(m.QUEUE, "", f'state="{state}"') for state in ("waiting", "running"))
USED, MOST = (series(m.REDIS_MEMORY, "", f'kind="{kind}"') for kind in ("used", "max"))
BLAMED = rate(m.YT_DLP_ATTEMPTS, "yt_dlp", 'outcome="blamed"')

ROWS: Rows = {
    "Now": [
        number("Waiting", "Downloads that could start now but have no worker.", "short",
               f"max({WAITING})"),
        number("Running", "Downloads that workers are running.", "short", f"max({RUNNING})"),
        number("Oldest waiting", "How long the oldest waiting download has been waiting.", "s",
               f"max({series(m.QUEUE_OLDEST)})"),
        number("Slots in use", "Share of the workers' slots that run a download.", "percentunit",
               f"sum({series(m.ATTEMPTS_RUNNING)}) / sum({series(m.SLOTS)})"),
        number("Sockets", "Connected WebSockets and event streams.", "short", f"sum({series(m.SOCKETS)})"),
        number("Message latency, 99 %", "From the worker's timestamp to the write to the client.", "s",
               quantiles(m.MESSAGE_LATENCY)[2][0]),
    ],
    "Waiting": [
        graph("Waiting time", "From when an attempt could start to when a worker claimed it.", "s",
              quantiles(m.QUEUE_WAIT)),
        graph("Queue depth", "By state; deferred downloads wait for a retry.", "short",
              [(f"max by (state) ({series(m.QUEUE)})", "{{state}}")]),
        graph("Age of the oldest waiting", "Rises steadily if no worker takes downloads.", "s",
              [(f"max({series(m.QUEUE_OLDEST)})", "oldest")]),
        graph("Jobs accepted", "`created` started a download, `attached` joined one that exists.", "reqps",
              [(rate(m.JOBS_ACCEPTED, "outcome"), "{{outcome}}")]),
    ],
    "Stage by stage": [
        graph("Stage duration, median", "From a stage's first step to the next's; `started` is the extraction.", "s",
              [quantile_by(m.STAGE_DURATION, "stage", 0.5)]),
        graph("Stage duration, 95 %", "The slowest 5 % take longer than this.", "s",
              [quantile_by(m.STAGE_DURATION, "stage", 0.95)]),
        graph("Total duration, 95 %", "From the POST to the end, by outcome, including waiting and retries.", "s",
              [quantile_by(m.DOWNLOAD_DURATION, "outcome", 0.95)]),
        graph("Bytes", "Downloaded from sites, and uploaded to the bucket.", "Bps",
              [(rate(m.DOWNLOADED_BYTES), "downloaded"), (rate(m.UPLOADED_BYTES), "uploaded")]),
        graph("Slots", "Running attempts, and the number that the workers can run.", "short",
              [(f"sum({series(m.ATTEMPTS_RUNNING)})", "running"), (f"sum({series(m.SLOTS)})", "slots")]),
        graph("Downloads finished", "By outcome; `reused` means that the video was already in the bucket.", "ops",
              [(rate(m.DOWNLOADS_FINISHED, "outcome"), "{{outcome}}")], stacked=True),
    ],
    "Messages": [
        graph("Message latency", "From the worker's timestamp to the write to the client; needs clocks in sync.", "s",
              quantiles(m.MESSAGE_LATENCY)),
        graph("Clock offset", "Offset of each process's clock from Redis'. Latencies are off by as much.", "s",
              [(f"max by (pod) (abs({series(m.CLOCK_OFFSET)}))", "{{pod}}")]),
        graph("Negative values", "Negative latencies and durations: a clock is ahead of another.", "ops",
              [(rate(m.NEGATIVE_LATENCIES), "messages"), (rate(m.NEGATIVE_DURATIONS), "downloads")]),
        graph("Messages", "Published by workers, received by gateways, written to clients, held for slow clients.",
              "ops",
              [(rate(m.PUBLISHED), "published"), (rate(m.MESSAGES_RECEIVED), "received"),
               (rate(m.MESSAGES_SENT), "sent"), (rate(m.MESSAGES_HELD), "held")]),
    ],
    "Errors": [
        graph("Failed downloads", "By error code.", "ops",
              [(rate(m.DOWNLOADS_FINISHED, "code", 'outcome="failed"'), "{{code}}")], stacked=True),
        graph("Retries", "Failed attempts that will be retried, by error code.", "ops",
              [(rate(m.RETRIES, "code"), "{{code}}")], stacked=True),
        graph("Failures that yt-dlp may cause", "Share of the attempts, by the version of yt-dlp that they ran.",
              "percentunit",
              [(f"{BLAMED} / {rate(m.YT_DLP_ATTEMPTS, 'yt_dlp')}", "{{yt_dlp}}")],
              width=24),
        graph("Workers lost", "Expired leases of workers that were killed or hung.", "ops",
              [(rate(m.WORKER_LOSSES, "outcome"), "{{outcome}}")]),
        graph("Error responses of the api", "By HTTP status.", "reqps",
              [(rate(m.HTTP_REQUESTS, "code", 'code=~"[45].."'), "{{code}}")], stacked=True),
        graph("Jobs refused", "By reason: caller over its rate, queue full, Redis full.", "reqps",
              [(rate(m.JOBS_REFUSED, "reason"), "{{reason}}")]),
        graph("Redis' memory", "Share of maxmemory in use; from 90 % on no job is accepted.", "percentunit",
              [(f"max({USED}) / (max({MOST}) > 0)", "used")]),
        graph("Api latency, 95 %", "By route.", "s", [quantile_by(m.HTTP_DURATION, "route", 0.95)]),
        graph("Redis", "1 if Redis answers the apis, and the gateways have their subscription.", "short",
              [(f"min({series(m.REDIS_UP)})", "api"), (f"min({series(m.REDIS_CONNECTED)})", "gateway")]),
    ],
    "Sockets": [
        graph("Sockets", "Connected WebSockets and event streams, by pod.", "short",
              [(f"sum by (pod) ({series(m.SOCKETS)})", "{{pod}}")], stacked=True),
        graph("Opened and joined", "New connections, and jobs that clients began to watch.", "ops",
              [(rate(m.SOCKETS_OPENED), "opened"), (rate(m.JOINS), "joined"),
               (rate(m.REDIS_CONNECTIONS), "connections to Redis")]),
        graph("Closed", "By close code: 1000 job ended, 1001 client left, 1006 lost, 1012 drained, 4008 too slow.",
              "ops", [(rate(m.SOCKETS_CLOSED, "code"), "{{code}}")], width=24,
              stacked=True),
    ],
}  # fmt: skip

BOARD = Board(
    "progress-and-latency",
    "vidferry-progress-latency",
    "Vidferry: progress and latency",
    "From the POST to the last message on a socket. The metrics are explained in docs/metrics.md.",
    ROWS,
)
