"""Every metric of Vidferry. docs/metrics.md is written from here, and nothing else names one."""

from enum import StrEnum
from http import HTTPStatus

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics.definitions import OTHER, Definition, Kind, Label, Service

_API, _WORKER, _GATEWAY = (Service.API,), (Service.WORKER,), (Service.GATEWAY,)
_EVERY = tuple(Service)

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_WORK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0)
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

NO_CODE = "none"
SANDBOX_PARTS = ("seccomp", "landlock")


class RedisLoss(StrEnum):
    """Why a gateway lost its connection to Redis."""

    BEHIND = "behind"
    SILENT = "silent"
    REFUSED = "refused"
    CLOSED = "closed"


_METHOD = Label("method", ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"))
_ROUTE = Label("route", meaning="the route's template, such as `/api/jobs/{job_id}`")
_STATUS = Label(
    "code",
    (*(str(status.value) for status in HTTPStatus), NO_CODE),
    "the HTTP status; `none` where the client left before an answer",
)
_ERROR = Label("code", (*ErrorCode, NO_CODE), "an [error code](errors.md); `none` where it did not fail")
_RETRIED = Label("code", tuple(code for code in ErrorCode if code.retryable), "an [error code](errors.md)")
_PROTOCOL_CLOSES = ("1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011")
_CLOSE = Label(
    "code",
    (*(str(int(code)) for code in CloseCode), *_PROTOCOL_CLOSES),
    "the close code that came first, the gateway's or the client's; 1006 where the connection was cut without one",
)
_STAGE = Label(
    "stage", tuple(stage for stage in Stage if stage not in {Stage.QUEUED, Stage.DONE, Stage.FAILED, Stage.CANCELLED})
)
_OUTCOME = Label("outcome", ("completed", "reused", "failed", "cancelled"))

# Every service.

BUILD_INFO = Definition(
    "vidferry_build_info",
    Kind.GAUGE,
    "Always 1; its labels tell what runs.",
    _EVERY,
    (
        # Not `service`: Prometheus's operator writes a label of that name.
        Label("component", tuple(Service)),
        Label("version", meaning="of the service's distribution"),
        Label("python", meaning="the interpreter's version"),
    ),
)

CLOCK_OFFSET = Definition(
    "vidferry_clock_offset_seconds",
    Kind.GAUGE,
    "How far this process' clock is ahead of Redis', below 0 where it is behind. Measured where Redis is probed anyway "
    "(api: at a scrape), to half a round trip; the best of the last eight. Absent before the first one.",
    _EVERY,
)

# The api: what comes in, and what waits.

HTTP_REQUESTS = Definition(
    "vidferry_http_requests_total",
    Kind.COUNTER,
    "Requests answered on the public port, without CORS preflights.",
    _API,
    (_ROUTE, _METHOD, _STATUS),
)
HTTP_DURATION = Definition(
    "vidferry_http_request_duration_seconds",
    Kind.HISTOGRAM,
    "From a request's head to the last byte of its answer.",
    _API,
    (_ROUTE, _METHOD),
    _REQUEST_BUCKETS,
)
JOBS_ACCEPTED = Definition(
    "vidferry_jobs_accepted_total",
    Kind.COUNTER,
    "Jobs accepted: with a download of their own, attached to one that runs, or known by their Idempotency-Key.",
    _API,
    (Label("outcome", ("created", "attached", "replayed")),),
)
JOBS_CANCELLED = Definition(
    "vidferry_jobs_cancelled_total",
    Kind.COUNTER,
    "Jobs cancelled, by where they were then. A job's download may go on for others.",
    _API,
    (Label("status", (Status.QUEUED, Status.PROCESSING)),),
)
JOBS_REFUSED = Definition(
    "vidferry_jobs_refused_total",
    Kind.COUNTER,
    "Requests for a job that were refused: the caller is over its rate, the queue is full by number or bytes, "
    "Redis has no memory left for another job.",
    _API,
    (Label("reason", ("caller_rate", "queue_full", "redis_full")),),
)
REDIS_MEMORY = Definition(
    "vidferry_redis_memory_bytes",
    Kind.GAUGE,
    "Redis' memory: what is used, and `maxmemory` (0: not set). From 80 % on the oldest ended jobs are forgotten, "
    "from 90 % on no job is accepted. Absent while Redis is away.",
    _API,
    (Label("kind", ("used", "max")),),
)
QUEUE = Definition(
    "vidferry_queue_downloads",
    Kind.GAUGE,
    "Downloads on the queue, of all workers: due and waiting for one, deferred until their next try, running. "
    "Read from Redis at a scrape; absent while Redis is away.",
    _API,
    (Label("state", ("waiting", "deferred", "running")),),
)
QUEUE_OLDEST = Definition(
    "vidferry_queue_oldest_waiting_seconds",
    Kind.GAUGE,
    "How long the download that waits longest has been due; 0 where none waits. Absent while Redis is away.",
    _API,
)
REDIS_UP = Definition("vidferry_redis_up", Kind.GAUGE, "1 where Redis told the queue's depth at this scrape.", _API)

# The worker: what is done.

QUEUE_WAIT = Definition(
    "vidferry_queue_wait_seconds",
    Kind.HISTOGRAM,
    "From when an attempt of a download was due to when a worker claimed it, by Redis's clock.",
    _WORKER,
    buckets=_WAIT_BUCKETS,
)
STAGE_DURATION = Definition(
    "vidferry_stage_duration_seconds",
    Kind.HISTOGRAM,
    "From a stage's first step to the next stage's. `started` is the extraction.",
    _WORKER,
    (_STAGE,),
    _WORK_BUCKETS,
)
DOWNLOAD_DURATION = Definition(
    "vidferry_download_duration_seconds",
    Kind.HISTOGRAM,
    "From the POST to the end of its download, waiting and retries included, by the clocks of api and worker. Those "
    "that come out below 0 count apart.",
    _WORKER,
    (_OUTCOME,),
    _WORK_BUCKETS,
)
NEGATIVE_DURATIONS = Definition(
    "vidferry_download_negative_durations_total",
    Kind.COUNTER,
    "Downloads that ended before their POST, since the api's clock is ahead of the worker's: their duration is not in "
    "the histogram.",
    _WORKER,
)
DOWNLOADS_FINISHED = Definition(
    "vidferry_downloads_finished_total",
    Kind.COUNTER,
    "Downloads ended. `reused`: the video was in the bucket already.",
    _WORKER,
    (_OUTCOME, _ERROR),
)
RETRIES = Definition(
    "vidferry_download_retries_total",
    Kind.COUNTER,
    "Attempts that failed and were put back for another try.",
    _WORKER,
    (_RETRIED,),
)
WORKER_LOSSES = Definition(
    "vidferry_worker_deaths_total",
    Kind.COUNTER,
    "Leases of lost workers that this worker took up: their downloads were queued anew, or ended after too many.",
    _WORKER,
    (Label("outcome", ("requeued", "ended")),),
)
DOWNLOADED_BYTES = Definition(
    "vidferry_downloaded_bytes_total", Kind.COUNTER, "Bytes fetched from origins, as yt-dlp tells them.", _WORKER
)
UPLOADED_BYTES = Definition(
    "vidferry_uploaded_bytes_total",
    Kind.COUNTER,
    "Bytes written to the bucket, those of uploads that were given up too. What an attempt sends again counts once.",
    _WORKER,
)
PUBLISHED = Definition(
    "vidferry_messages_published_total",
    Kind.COUNTER,
    "Steps and progress published, one for each job that was told.",
    _WORKER,
    (Label("kind", ("step", "progress")),),
)
ATTEMPTS_RUNNING = Definition(
    "vidferry_worker_running_attempts", Kind.GAUGE, "Attempts that this worker runs now.", _WORKER
)
SLOTS = Definition("vidferry_worker_slots", Kind.GAUGE, "Attempts that this worker may run at once.", _WORKER)
SWEEPS = Definition(
    "vidferry_retention_sweeps_total",
    Kind.COUNTER,
    "Sweeps of the bucket that this worker made. `failed`: the bucket refused or was away.",
    _WORKER,
    (Label("outcome", ("completed", "failed")),),
)
REMOVED_OBJECTS = Definition(
    "vidferry_retention_removed_objects_total",
    Kind.COUNTER,
    "Objects that retention removed from the bucket, pictures among them.",
    _WORKER,
)
REMOVED_BYTES = Definition("vidferry_retention_removed_bytes_total", Kind.COUNTER, "Bytes of these objects.", _WORKER)
LAST_SWEEP = Definition(
    "vidferry_retention_last_sweep_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the last sweep that this worker completed; absent before the first one. Take the highest of all "
    "workers, since one of them sweeps for all.",
    _WORKER,
)
BUCKET_UP = Definition(
    "vidferry_worker_bucket_up",
    Kind.GAUGE,
    "1 where the bucket answered this worker's last request, 0 where it could not be reached or refused.",
    _WORKER,
)
SANDBOX = Definition(
    "vidferry_worker_sandbox",
    Kind.GAUGE,
    "1 where the kernel confines downloads by that part; 0 where it can't, or VIDFERRY_SANDBOX is `off`.",
    _WORKER,
    (Label("part", SANDBOX_PARTS),),
)

# The gateway: what is shown.

SOCKETS = Definition("vidferry_gateway_sockets", Kind.GAUGE, "WebSockets and event streams connected now.", _GATEWAY)
SOCKETS_OPENED = Definition(
    "vidferry_gateway_sockets_opened_total",
    Kind.COUNTER,
    "WebSockets whose handshake succeeded, and event streams; also where they were turned away by a close code.",
    _GATEWAY,
)
SOCKETS_CLOSED = Definition(
    "vidferry_gateway_sockets_closed_total", Kind.COUNTER, "WebSockets and event streams gone.", _GATEWAY, (_CLOSE,)
)
JOINS = Definition(
    "vidferry_gateway_joins_total",
    Kind.COUNTER,
    "Watchers that were sent their job's record and follow it.",
    _GATEWAY,
)
MESSAGES_RECEIVED = Definition(
    "vidferry_gateway_messages_received_total", Kind.COUNTER, "Messages that Redis pushed.", _GATEWAY
)
MESSAGES_SENT = Definition(
    "vidferry_gateway_messages_sent_total", Kind.COUNTER, "Messages written to sockets.", _GATEWAY
)
MESSAGES_HELD = Definition(
    "vidferry_gateway_messages_held_total",
    Kind.COUNTER,
    "Messages that could not be written at once, since their socket did not take what it was sent.",
    _GATEWAY,
)
SLOW_SOCKETS = Definition(
    "vidferry_gateway_slow_sockets", Kind.GAUGE, "Sockets that don't take what they are sent, now.", _GATEWAY
)
SLOW_BYTES = Definition(
    "vidferry_gateway_slow_bytes", Kind.GAUGE, "What waits for them in the process; the kernel holds more.", _GATEWAY
)
MESSAGE_LATENCY = Definition(
    "vidferry_gateway_message_latency_seconds",
    Kind.HISTOGRAM,
    "From a message's timestamp, by the worker's clock, to its write to a socket, by the gateway's. A message counts "
    "once for each socket that takes it at once; held ones don't. Those that come out below 0 count apart.",
    _GATEWAY,
    buckets=_LATENCY_BUCKETS,
)
NEGATIVE_LATENCIES = Definition(
    "vidferry_gateway_message_negative_latencies_total",
    Kind.COUNTER,
    "Messages that were written before their timestamp, since the worker's clock is ahead of the gateway's: their "
    "latency is not in the histogram. They count as they would there.",
    _GATEWAY,
)
REDIS_CONNECTED = Definition(
    "vidferry_gateway_redis_connected", Kind.GAUGE, "1 while the subscription to Redis stands.", _GATEWAY
)
REDIS_CONNECTIONS = Definition(
    "vidferry_gateway_redis_connections_total",
    Kind.COUNTER,
    "Connections to Redis that were made: all but the first are reconnects.",
    _GATEWAY,
)

REDIS_LOST = Definition(
    "vidferry_gateway_redis_lost_total",
    Kind.COUNTER,
    "Connections to Redis that were lost and have been replaced, with everything watched read again. `behind`: Redis "
    "dropped a client that did not take what it was sent (as it tells itself, though not yet 7.0); `silent`: no answer "
    "to a probe; `refused`: it answered with an error; `closed`: anything else.",
    _GATEWAY,
    (Label("reason", tuple(RedisLoss)),),
)

METRICS: tuple[Definition, ...] = tuple(found for found in list(vars().values()) if isinstance(found, Definition))

# What prometheus_client itself tells of the process, on Linux.
PROCESS: tuple[Definition, ...] = (
    Definition("process_cpu_seconds_total", Kind.COUNTER, "User and system CPU time.", _EVERY),
    Definition("process_resident_memory_bytes", Kind.GAUGE, "Resident memory.", _EVERY),
    Definition("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory.", _EVERY),
    Definition("process_start_time_seconds", Kind.GAUGE, "Unix time of the start.", _EVERY),
    Definition("process_open_fds", Kind.GAUGE, "Open file descriptors.", _EVERY),
    Definition("process_max_fds", Kind.GAUGE, "The most file descriptors.", _EVERY),
)

__all__ = ["METRICS", "NO_CODE", "OTHER", "PROCESS", "Definition", "Kind", "Service"]
