"""Every metric of Vidferry. docs/metrics.md is written from here, and nothing else names one."""

from enum import StrEnum
from http import HTTPStatus

from vidferry_common.contract.close import CloseCode
from vidferry_common.contract.errors import ErrorCode, ProblemCode
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.metrics.definitions import OTHER, Definition, Kind, Label, Service

_API, _WORKER, _GATEWAY = (Service.API,), (Service.WORKER,), (Service.GATEWAY,)
_BUCKET_USERS, _EVERY = (Service.API, Service.WORKER), tuple(Service)

_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
_WORK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0)
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

NO_CODE = "none"
SANDBOX_PARTS = ("seccomp", "landlock")
COOKIE_FILE_STATES = ("valid", "expired", "unusable")
SITE_ENTRY_STATES = ("used", "unusable")
BUCKET_OPERATIONS = ("stat", "upload", "read", "delete", "list", "update", "sign", "check")
BUCKET_ERROR_KINDS = ("denied", "unavailable", "failed")
ATTEMPT_OUTCOMES = ("completed", "reused", "request", "site", "service", "stopped")


class RedisLoss(StrEnum):
    """Why a gateway lost its connection to Redis."""

    BEHIND = "behind"
    SILENT = "silent"
    REFUSED = "refused"
    CLOSED = "closed"


class AccessRefusal(StrEnum):
    """Why a request was not let in."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a reason
    INVALID_OWNER = "invalid_owner"
    OTHER_SITE = "other_site"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    SCOPE = "scope"


class AttemptOutcome(StrEnum):
    """How an attempt went, as far as that says something of its yt-dlp."""

    WORKED = "worked"
    BLAMED = "blamed"
    EXCUSED = "excused"


class BundleLook(StrEnum):
    """What came of a look for a newer yt-dlp."""

    PUBLISHED = "published"
    NOTHING_NEW = "nothing_new"
    HELD = "held"
    REFUSED = "refused"
    FAILED = "failed"


class BundleLoad(StrEnum):
    """What came of a worker's try to switch to the bundle that was published."""

    LOADED = "loaded"
    FAILED = "failed"


class EgressRefusal(StrEnum):
    """Why an address was refused to a child, or to a webhook."""

    DENIED = "denied"
    NOT_PUBLIC = "not_public"
    PORT = "port"


class FencedWrite(StrEnum):
    """What an attempt wanted to write when the fence refused it."""

    MESSAGE = "message"
    OBJECT = "object"
    END = "end"
    REQUEUE = "requeue"


class DeliveryOutcome(StrEnum):
    """What came of a try to deliver an event to its receiver."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    GIVEN_UP = "given_up"
    DISABLED = "disabled"


_METHOD = Label("method", ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"))
_ROUTE = Label("route", meaning="the template of the route, such as `/api/jobs/{job_id}`")
_STATUS = Label(
    "code",
    (*(str(status.value) for status in HTTPStatus), NO_CODE),
    "the HTTP status; `none` if the client disconnected before the response",
)
_ERROR = Label("code", (*ErrorCode, NO_CODE), "an [error code](errors.md); `none` unless the download failed")
_PAUSING = Label("code", tuple(code for code in ErrorCode if code.parks_site), "an [error code](errors.md)")
_RETRIED = Label("code", tuple(code for code in ErrorCode if code.retryable), "an [error code](errors.md)")
_PROTOCOL_CLOSES = ("1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1010", "1011")
_CLOSE = Label(
    "code",
    (*(str(int(code)) for code in CloseCode), *_PROTOCOL_CLOSES),
    "the first close code, sent by the gateway or the client; 1006 if the connection broke without one",
)
_STAGE = Label(
    "stage", tuple(stage for stage in Stage if stage not in {Stage.QUEUED, Stage.DONE, Stage.FAILED, Stage.CANCELLED})
)
_OUTCOME = Label("outcome", ("completed", "reused", "failed", "cancelled"))

# Every service.

BUILD_INFO = Definition(
    "vidferry_build_info",
    Kind.GAUGE,
    "Always 1. The labels say what is running.",
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
    "How far the clock of this process is ahead of the clock of Redis; negative if it is behind. Measured with "
    "each probe of Redis (api: with each scrape), accurate to half a round trip; the best of the last eight "
    "measurements. Absent before the first measurement.",
    _EVERY,
)

SPANS = Definition(
    "vidferry_spans_total",
    Kind.COUNTER,
    "Spans of [traces](traces.md) that have ended. `exported`: the collector has taken them. `failed`: it was away or "
    "refused them. `dropped`: too many waited for it. Absent without traces.",
    _EVERY,
    (Label("outcome", ("exported", "failed", "dropped")),),
)
REDIS_ROUND_TRIP = Definition(
    "vidferry_redis_round_trip_seconds",
    Kind.GAUGE,
    "How long Redis took to answer the last probe of it (api: that of this scrape), including the wait for this "
    "process' event loop. Absent before the first probe.",
    _EVERY,
)
LOOP_LAG = Definition(
    "vidferry_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late the process' event loop ran what was due, measured four times a second.",
    _EVERY,
    buckets=_LAG_BUCKETS,
)

# api and worker: the bucket.

BUCKET_DURATION = Definition(
    "vidferry_bucket_call_duration_seconds",
    Kind.HISTOGRAM,
    "Time of a call to the bucket, with its repetitions and its wait for a thread. An upload of a file that still "
    "grows takes as long as the download. Cancelled calls are not counted.",
    _BUCKET_USERS,
    (Label("operation", BUCKET_OPERATIONS),),
    _WORK_BUCKETS,
)
BUCKET_ERRORS = Definition(
    "vidferry_bucket_errors_total",
    Kind.COUNTER,
    "Calls to the bucket that failed. `denied`: the bucket refuses the credentials or permissions. `unavailable`: it "
    "can't be reached, or answers with errors. `failed`: anything else, such as a damaged upload.",
    _BUCKET_USERS,
    (Label("kind", BUCKET_ERROR_KINDS),),
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
    "Time from a request's head to the last byte of its response.",
    _API,
    (_ROUTE, _METHOD),
    _REQUEST_BUCKETS,
    exemplars=True,
)
HTTP_PROBLEMS = Definition(
    "vidferry_http_problems_total",
    Kind.COUNTER,
    "Problem documents that the api has answered with, by their [code](errors.md#refused-requests): limits that were "
    "reached, and the causes of 503.",
    _API,
    (Label("code", tuple(ProblemCode), "the document's `code`"),),
)
JOBS_ACCEPTED = Definition(
    "vidferry_jobs_accepted_total",
    Kind.COUNTER,
    "Accepted jobs. `created`: the job started a new download. `attached`: the job joined a running download. "
    "`replayed`: the job was known by its Idempotency-Key.",
    _API,
    (Label("outcome", ("created", "attached", "replayed")),),
)
JOBS_CANCELLED = Definition(
    "vidferry_jobs_cancelled_total",
    Kind.COUNTER,
    "Cancelled jobs, by their status before. The download goes on if other jobs wait for it.",
    _API,
    (Label("status", (Status.QUEUED, Status.PROCESSING)),),
)
_REFUSALS = (
    "caller_rate", "jobs_waiting", "bytes_per_day", "probes_waiting", "events_waiting", "queue_full", "redis_full",
)  # fmt: skip
JOBS_REFUSED = Definition(
    "vidferry_jobs_refused_total",
    Kind.COUNTER,
    "Refused job requests. `caller_rate`: the caller sent too many requests. `jobs_waiting`, `bytes_per_day`: the "
    "owner's limit of that name is reached. `probes_waiting`: too many probes of the caller wait or run. "
    "`events_waiting`: too many events wait for the receivers of webhooks. `queue_full`: the queue has reached its "
    "limit of downloads or bytes. `redis_full`: Redis has no memory left for new jobs.",
    _API,
    (Label("reason", _REFUSALS),),
)
ACCESS_REFUSED = Definition(
    "vidferry_access_refused_total",
    Kind.COUNTER,
    "Requests that were not let in. 401: `missing`: no key or token. `malformed`: the Authorization header is not one "
    "Bearer credential. `unknown_key`: no such API key. `expired`: the key or token has expired. `invalid_token`: not "
    "a valid token of the issuer for Vidferry. `invalid_owner`: the token or the proxy names no valid owner. "
    "`other_site`: a page of another site sent the request through the proxy. 503: `issuer_unavailable`: the issuer's "
    "keys could not be fetched. 403: `scope`: the key or token lacks the scope.",
    _API,
    (Label("reason", tuple(AccessRefusal)),),
)
REDIS_MEMORY = Definition(
    "vidferry_redis_memory_bytes",
    Kind.GAUGE,
    "Memory of Redis: `used`, and `max` (`maxmemory`; 0: not set). From 80 % on, the oldest ended jobs are "
    "deleted; from 90 % on, no job is accepted. Absent while Redis is unavailable.",
    _API,
    (Label("kind", ("used", "max")),),
)
QUEUE = Definition(
    "vidferry_queue_downloads",
    Kind.GAUGE,
    "Downloads on the queue, of all workers. `waiting`: due, waiting for a worker. `deferred`: waiting for their "
    "next attempt. `running`: being downloaded. Without what `vidferry_paused_downloads` counts. Read from Redis at "
    "each scrape. Absent while Redis is unavailable.",
    _API,
    (Label("state", ("waiting", "deferred", "running")),),
)
QUEUE_OLDEST = Definition(
    "vidferry_queue_oldest_waiting_seconds",
    Kind.GAUGE,
    "How long the oldest waiting download has been due; 0 if none waits. Absent while Redis is unavailable.",
    _API,
)
PAUSED_SITES = Definition(
    "vidferry_paused_sites",
    Kind.GAUGE,
    "Sites that pause because they asked for fewer requests, by the reason, counted for each credential and proxy. "
    "Absent while Redis is unavailable.",
    _API,
    (_PAUSING,),
)
PAUSED_DOWNLOADS = Definition(
    "vidferry_paused_downloads",
    Kind.GAUGE,
    "Downloads that wait for such a pause to end. They are not on the queue. Absent while Redis is unavailable.",
    _API,
    (_PAUSING,),
)
UNDELIVERED = Definition(
    "vidferry_webhook_waiting_jobs",
    Kind.GAUGE,
    "Jobs with events that their receivers have not accepted yet. Absent while Redis is unavailable.",
    _API,
)
UNDELIVERED_OLDEST = Definition(
    "vidferry_webhook_oldest_waiting_seconds",
    Kind.GAUGE,
    "How long the oldest event has waited that a receiver has not accepted yet; 0 if none waits. Absent while Redis is "
    "unavailable.",
    _API,
)
BUNDLE_PUBLISHED = Definition(
    "vidferry_bundle_published_timestamp_seconds",
    Kind.GAUGE,
    "Unix time at which the bundle was published that the workers run. Absent where they run the yt-dlp of their "
    "image, and while Redis is unavailable.",
    _API,
)
BUNDLES_HELD = Definition(
    "vidferry_bundle_held_versions",
    Kind.GAUGE,
    "Versions of yt-dlp that are never taken, because their canary failed or the workers went back from them. Absent "
    "while Redis is unavailable.",
    _API,
)
REDIS_UP = Definition(
    "vidferry_redis_up", Kind.GAUGE, "1 if the api could read the queue from Redis for this scrape, else 0.", _API
)

# The worker: what is done.

QUEUE_WAIT = Definition(
    "vidferry_queue_wait_seconds",
    Kind.HISTOGRAM,
    "Time from when an attempt was due to when a worker claimed it, by the clock of Redis.",
    _WORKER,
    buckets=_WAIT_BUCKETS,
    exemplars=True,
)
STAGE_DURATION = Definition(
    "vidferry_stage_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a stage's first step to the first step of the next stage. `started` is the extraction.",
    _WORKER,
    (_STAGE,),
    _WORK_BUCKETS,
    exemplars=True,
)
DOWNLOAD_DURATION = Definition(
    "vidferry_download_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the POST to the end of its download, including waiting and retries, by the clocks of api and "
    "worker. Negative durations are counted in `vidferry_download_negative_durations_total`.",
    _WORKER,
    (_OUTCOME,),
    _WORK_BUCKETS,
    exemplars=True,
)
PROBE_DURATION = Definition(
    "vidferry_probe_duration_seconds",
    Kind.HISTOGRAM,
    "Time from the POST of a probe to its end, including waiting, by the clocks of api and worker. Probes that are "
    "answered with what another one found are not counted.",
    _WORKER,
    (Label("outcome", ("completed", "failed")),),
    _WORK_BUCKETS,
    exemplars=True,
)
NEGATIVE_DURATIONS = Definition(
    "vidferry_download_negative_durations_total",
    Kind.COUNTER,
    "Downloads that ended before their POST according to the clocks, because the api's clock is ahead of the "
    "worker's. The duration histogram does not include them.",
    _WORKER,
)
DOWNLOADS_FINISHED = Definition(
    "vidferry_downloads_finished_total",
    Kind.COUNTER,
    "Ended downloads. `reused`: the video was in the bucket already.",
    _WORKER,
    (_OUTCOME, _ERROR),
)
ATTEMPTS = Definition(
    "vidferry_attempts_total",
    Kind.COUNTER,
    "Ended attempts by site, the registered domain of the URL, such as `example.co.uk`; hosts of one operator, such as "
    "`youtu.be`, are its site, `youtube.com`. `completed`, `reused`: the "
    "video is in the bucket. Failed because of the `request` (or its video), the `site` (or the way there) or the "
    "`service`: by the code of the failure. `stopped`: cancelled, moved to another download, handed back or lost. Only "
    "the 50 busiest sites of a worker have series; the others, and IP addresses, count as `other`.",
    _WORKER,
    (Label("site", meaning="the registered domain, or `other`"), Label("outcome", ATTEMPT_OUTCOMES)),
)
LEASES_LOST = Definition(
    "vidferry_worker_leases_lost_total",
    Kind.COUNTER,
    "Attempts of this worker that were stopped because another attempt of the download has been claimed: this worker "
    "could not renew its lease in time.",
    _WORKER,
)
FENCED_WRITES = Definition(
    "vidferry_worker_fenced_writes_total",
    Kind.COUNTER,
    "Writes of this worker's attempts that Redis refused, because the download has ended or has another attempt: a "
    "`message`, the claim of an `object`, the `end`, a `requeue`. A cancelled download may have one.",
    _WORKER,
    (Label("write", tuple(FencedWrite)),),
)
EGRESS_REFUSED = Definition(
    "vidferry_worker_egress_refused_total",
    Kind.COUNTER,
    "Connections that were refused to children and webhooks because of the address. `denied`: in "
    "VIDFERRY_EGRESS_DENY. `not_public`: not on the public internet, and not in VIDFERRY_EGRESS_ALLOW. `port`: a port "
    "that is not allowed.",
    _WORKER,
    (Label("reason", tuple(EgressRefusal)),),
)
CHILDREN = Definition(
    "vidferry_worker_children", Kind.GAUGE, "Children of this worker: running downloads, probes and lists.", _WORKER
)
CHILDREN_MEMORY = Definition(
    "vidferry_worker_children_memory_bytes",
    Kind.GAUGE,
    "Memory of all children together, as VIDFERRY_CHILD_MEMORY counts it. Measured twice a second.",
    _WORKER,
)
CHILDREN_CPU = Definition(
    "vidferry_worker_children_cpu_seconds_total",
    Kind.COUNTER,
    "CPU time of all children. Measured twice a second, so what a child uses after its last measurement is missing.",
    _WORKER,
)
FOLDER_BYTES = Definition(
    "vidferry_worker_folder_bytes",
    Kind.GAUGE,
    "The folder of the running downloads: bytes `used` by them, bytes that they may use together (`max`), and bytes "
    "`free` on its file system.",
    _WORKER,
    (Label("kind", ("used", "max", "free")),),
)
OLDEST_ATTEMPT = Definition(
    "vidferry_worker_oldest_attempt_seconds",
    Kind.GAUGE,
    "How long the oldest attempt that this worker runs has been running; 0 if none runs.",
    _WORKER,
)
FFMPEG_INFO = Definition(
    "vidferry_worker_ffmpeg_info",
    Kind.GAUGE,
    "Always 1. The label says which ffmpeg merges streams.",
    _WORKER,
    (Label("version", meaning="as ffmpeg tells it"),),
)
RETRIES = Definition(
    "vidferry_download_retries_total",
    Kind.COUNTER,
    "Failed attempts whose download was put back on the queue for a retry.",
    _WORKER,
    (_RETRIED,),
)
YT_DLP_ATTEMPTS = Definition(
    "vidferry_yt_dlp_attempts_total",
    Kind.COUNTER,
    "Attempts that have run a child, by the version of yt-dlp that it ran: the last two of this worker. `blamed`: it "
    "failed with a code that a bad yt-dlp causes. `excused`: it failed with another one.",
    _WORKER,
    (Label("yt_dlp", meaning="the version, as its wheel has it"), Label("outcome", tuple(AttemptOutcome))),
)
YT_DLP_INFO = Definition(
    "vidferry_worker_yt_dlp_info",
    Kind.GAUGE,
    "Always 1. The labels say which yt-dlp new downloads of this worker run.",
    _WORKER,
    (
        Label("yt_dlp", meaning="the version of yt-dlp, as its wheel has it"),
        Label("ejs", meaning="the version of yt-dlp-ejs"),
    ),
)
BUNDLE_LOOKS = Definition(
    "vidferry_bundle_looks_total",
    Kind.COUNTER,
    "Looks of this worker for a newer yt-dlp. `held`: there is one that is never taken. `refused`: its canary failed. "
    "`failed`: the package index or the bucket did not answer, or not as it should, or the canary ended without a "
    "verdict.",
    _WORKER,
    (Label("outcome", tuple(BundleLook)),),
)
BUNDLE_LOADS = Definition(
    "vidferry_bundle_loads_total",
    Kind.COUNTER,
    "Tries of this worker to switch to the bundle that was published. After a failed one it keeps the yt-dlp that it "
    "has, and tries again later.",
    _WORKER,
    (Label("outcome", tuple(BundleLoad)),),
)
BUNDLE_ROLLBACKS = Definition(
    "vidferry_bundle_rollbacks_total",
    Kind.COUNTER,
    "Bundles that this worker has taken back because sites did not work any more.",
    _WORKER,
)
WORKER_LOSSES = Definition(
    "vidferry_worker_deaths_total",
    Kind.COUNTER,
    "Worker losses that this worker found by an expired lease. `requeued`: the download is back on the queue. "
    "`ended`: the download failed as `worker_lost` after too many worker losses.",
    _WORKER,
    (Label("outcome", ("requeued", "ended")),),
)
DOWNLOADED_BYTES = Definition(
    "vidferry_downloaded_bytes_total", Kind.COUNTER, "Bytes downloaded from sites, as reported by yt-dlp.", _WORKER
)
UPLOADED_BYTES = Definition(
    "vidferry_uploaded_bytes_total",
    Kind.COUNTER,
    "Bytes written to the bucket, including uploads that were abandoned. Bytes that one attempt sends again count "
    "once.",
    _WORKER,
)
PUBLISHED = Definition(
    "vidferry_messages_published_total",
    Kind.COUNTER,
    "Published steps and progress messages, one for each job that receives the message.",
    _WORKER,
    (Label("kind", ("step", "progress")),),
)
ATTEMPTS_RUNNING = Definition(
    "vidferry_worker_running_attempts", Kind.GAUGE, "Attempts that this worker is running.", _WORKER
)
SLOTS = Definition(
    "vidferry_worker_slots", Kind.GAUGE, "The most attempts that this worker runs at the same time.", _WORKER
)
WEBHOOKS = Definition(
    "vidferry_webhook_deliveries_total",
    Kind.COUNTER,
    "Tries to deliver an event to its receiver. `delivered`: the receiver accepted it. `retried`: it did not, and the "
    "event will be tried again. `given_up`: it did not for a day. `disabled`: the endpoint wants no more events (410).",
    _WORKER,
    (Label("outcome", tuple(DeliveryOutcome)),),
)
SWEEPS = Definition(
    "vidferry_retention_sweeps_total",
    Kind.COUNTER,
    "Retention sweeps of the bucket by this worker. `failed`: the bucket refused access or was unavailable.",
    _WORKER,
    (Label("outcome", ("completed", "failed")),),
)
REMOVED_OBJECTS = Definition(
    "vidferry_retention_removed_objects_total",
    Kind.COUNTER,
    "Objects that retention deleted from the bucket, including thumbnails.",
    _WORKER,
)
REMOVED_BYTES = Definition(
    "vidferry_retention_removed_bytes_total", Kind.COUNTER, "Bytes of the objects that retention deleted.", _WORKER
)
LAST_SWEEP = Definition(
    "vidferry_retention_last_sweep_timestamp_seconds",
    Kind.GAUGE,
    "Unix time of the last sweep that this worker completed; absent before the first sweep. One worker sweeps for "
    "all, so use the maximum over all workers.",
    _WORKER,
)
BUCKET_UP = Definition(
    "vidferry_worker_bucket_up",
    Kind.GAUGE,
    "1 if the bucket answered this worker's last request; 0 if the bucket was unavailable or refused access.",
    _WORKER,
)
SANDBOX = Definition(
    "vidferry_worker_sandbox",
    Kind.GAUGE,
    "1 if the kernel confines downloads by this part; 0 if the kernel can't, or VIDFERRY_SANDBOX is `off`.",
    _WORKER,
    (Label("part", SANDBOX_PARTS),),
)
COOKIE_FILES = Definition(
    "vidferry_worker_cookie_files",
    Kind.GAUGE,
    "Files in VIDFERRY_COOKIES_DIR: those with cookies that have not expired, those whose cookies have all expired, "
    "and those that can't be used.",
    _WORKER,
    (Label("state", COOKIE_FILE_STATES),),
)
COOKIE_LINES_IGNORED = Definition(
    "vidferry_worker_cookie_lines_ignored",
    Kind.GAUGE,
    "Lines of these files that are not in Netscape's format, or are cookies of other sites than the file's.",
    _WORKER,
)
COOKIE_NEXT_EXPIRY = Definition(
    "vidferry_worker_cookie_next_expiry_timestamp_seconds",
    Kind.GAUGE,
    "When the next cookie of these files expires. Absent where none of them does.",
    _WORKER,
)
SITE_ENTRIES = Definition(
    "vidferry_worker_site_entries",
    Kind.GAUGE,
    "Entries in VIDFERRY_SITES_FILE: those that are in force, also from before the last change, and those that can't "
    "be used. A file that can't be used counts as one.",
    _WORKER,
    (Label("state", SITE_ENTRY_STATES),),
)

# The gateway: what is shown.

SOCKETS = Definition("vidferry_gateway_sockets", Kind.GAUGE, "Open WebSockets and event streams.", _GATEWAY)
SOCKETS_OPENED = Definition(
    "vidferry_gateway_sockets_opened_total",
    Kind.COUNTER,
    "WebSockets whose handshake succeeded, and event streams, including those that were then refused by a close code.",
    _GATEWAY,
)
SOCKETS_CLOSED = Definition(
    "vidferry_gateway_sockets_closed_total", Kind.COUNTER, "Closed WebSockets and event streams.", _GATEWAY, (_CLOSE,)
)
JOINS = Definition(
    "vidferry_gateway_joins_total",
    Kind.COUNTER,
    "Watchers that received their job's record and now follow the job.",
    _GATEWAY,
)
MESSAGES_RECEIVED = Definition(
    "vidferry_gateway_messages_received_total", Kind.COUNTER, "Messages received from Redis.", _GATEWAY
)
MESSAGES_SENT = Definition(
    "vidferry_gateway_messages_sent_total", Kind.COUNTER, "Messages written to WebSockets and event streams.", _GATEWAY
)
MESSAGES_HELD = Definition(
    "vidferry_gateway_messages_held_total",
    Kind.COUNTER,
    "Messages that could not be written at once, because their client had stopped reading.",
    _GATEWAY,
)
SLOW_SOCKETS = Definition(
    "vidferry_gateway_slow_sockets",
    Kind.GAUGE,
    "Open WebSockets and event streams whose client has stopped reading.",
    _GATEWAY,
)
SLOW_BYTES = Definition(
    "vidferry_gateway_slow_bytes",
    Kind.GAUGE,
    "Bytes in this process that wait for slow clients. The kernel buffers more.",
    _GATEWAY,
)
MESSAGE_LATENCY = Definition(
    "vidferry_gateway_message_latency_seconds",
    Kind.HISTOGRAM,
    "Time from a message's timestamp (the worker's clock) to its write to a client (the gateway's clock). A "
    "message counts once for each client to which it is written at once; delayed messages are not included. "
    "Negative latencies are counted in `vidferry_gateway_message_negative_latencies_total`.",
    _GATEWAY,
    buckets=_LATENCY_BUCKETS,
    exemplars=True,
)
NEGATIVE_LATENCIES = Definition(
    "vidferry_gateway_message_negative_latencies_total",
    Kind.COUNTER,
    "Messages that were written before their timestamp, because the worker's clock is ahead of the gateway's. "
    "Counted like the latency histogram, which does not include them.",
    _GATEWAY,
)
REDIS_CONNECTED = Definition(
    "vidferry_gateway_redis_connected",
    Kind.GAUGE,
    "1 while the gateway is connected and subscribed to Redis, else 0.",
    _GATEWAY,
)
REDIS_CONNECTIONS = Definition(
    "vidferry_gateway_redis_connections_total",
    Kind.COUNTER,
    "Connections made to Redis. All but the first are reconnects.",
    _GATEWAY,
)

REDIS_LOST = Definition(
    "vidferry_gateway_redis_lost_total",
    Kind.COUNTER,
    "Lost connections to Redis that have been replaced; everything watched was read again. `behind`: Redis "
    "dropped the gateway because it did not keep up (Redis 7.0 and older do not report this, so it counts as "
    "`closed`). `silent`: no answer to a probe. `refused`: Redis answered with an error. `closed`: any other "
    "reason.",
    _GATEWAY,
    (Label("reason", tuple(RedisLoss)),),
)

METRICS: tuple[Definition, ...] = tuple(found for found in list(vars().values()) if isinstance(found, Definition))

# What prometheus_client itself tells of the process, on Linux.
PROCESS_CPU = Definition("process_cpu_seconds_total", Kind.COUNTER, "User and system CPU time.", _EVERY)
PROCESS_MEMORY = Definition("process_resident_memory_bytes", Kind.GAUGE, "Resident memory.", _EVERY)
PROCESS: tuple[Definition, ...] = (
    PROCESS_CPU,
    PROCESS_MEMORY,
    Definition("process_virtual_memory_bytes", Kind.GAUGE, "Virtual memory.", _EVERY),
    Definition("process_start_time_seconds", Kind.GAUGE, "Unix time of the start.", _EVERY),
    Definition("process_open_fds", Kind.GAUGE, "Open file descriptors.", _EVERY),
    Definition("process_max_fds", Kind.GAUGE, "The most file descriptors.", _EVERY),
)

__all__ = ["METRICS", "NO_CODE", "OTHER", "PROCESS", "Definition", "Kind", "Service"]
