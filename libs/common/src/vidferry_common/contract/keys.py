"""Names of everything in Redis, and the scores on its queue: the scripts write them as `keys.NAME` (store/scripts)."""

from vidferry_common.contract.priority import Priority

JOB = "vidferry:job:"
"""+ job id: hash, one caller's request. `state` is the newest message, whole. room.lua says what stays at its end."""
HISTORY = ":history"
"""after a job's key: list of the job's stage changes, whole messages, oldest first"""
JOBS_BY_OWNER = "vidferry:jobs:"
"""+ an owner: sorted set of the owner's job ids by the time (ms) of their creation. An owner's name is short, so it is
in the key as it is"""
OPEN_JOBS = "vidferry:open-jobs:"
"""+ an owner: the same, of the jobs that have not ended"""
JOBS_BY_EXTERNAL_ID = "vidferry:jobs-by-external-id:"
"""+ digest of owner and external id, which is a caller's own text: the same, of the jobs with that external id"""
OPEN_BATCHES = "vidferry:open-batches:"
"""+ an owner: the same, of the batches among these"""
BATCH = "vidferry:batch:"
"""+ the job id of a batch: hash, what it knows of its children until it ends: counts and sums"""
ENTRIES = ":entries"
"""after a batch's key: list of its entries, JSON. What a cancelled batch has not made stays until its record goes"""
DOWNLOAD = "vidferry:download:"
"""+ download id: hash, the work for one video in one format"""
JOBS = ":jobs"
"""after a download's key: set of the ids of the jobs attached to it"""
STEPS = ":steps"
"""after a download's key: list of its stage changes, bodies of messages, for a job that attaches later"""
DOWNLOAD_BY_URL = "vidferry:download-by-url:"
"""+ digest of URL and format: the id of the download that runs for it"""
DOWNLOAD_BY_OBJECT = "vidferry:download-by-object:"
"""+ digest of an object's name: the id of the download that makes it now"""
OBJECT_BY_URL = "vidferry:object-by-url:"
"""+ digest of URL and format: the name of the object that the URL led to"""
IDEMPOTENCY = "vidferry:idempotency:"
"""+ digest of caller, public root and Idempotency-Key: the id of the job that it made"""
LEASES = "vidferry:leases"
"""sorted set: download id by the time (ms) its lease ends"""
LEADER = "vidferry:leader"
"""hash: the worker that looks for expired leases and sweeps the bucket, when it was last heard of, from when on it may
reap, when a sweep last ended, and how many slots all workers have"""
PINNED = "vidferry:pinned"
"""sorted set: objects that are being handed out, by the time (ms) until which retention leaves them alone"""
DELETING = "vidferry:deleting"
"""sorted set: objects that retention deletes at this moment, by the time (ms) after which it has given up"""
OBJECTS = "vidferry:objects"
"""hash: the objects of the bucket by their ids without dashes (object_index.lua). The bucket has the truth; the index
is made of it"""
OBJECTS_BY_TIME = "vidferry:objects-by-time"
"""sorted set: the places of all objects in the order of time, all with the score 0"""
OBJECTS_OF = "vidferry:objects-of:"
"""+ a partition: the same, of its objects"""
OBJECTS_EXPIRING = "vidferry:objects-expiring"
"""sorted set: ids of the objects that somebody has given a time to be removed at, by that time (ms)"""
OBJECT_WALK = "vidferry:object-walk"
"""hash: the walk of the bucket that puts all objects into the index: when one was `started` and `completed` (ms), the
last object that it has put (`after`), who walks (`holder`, until `held_until`), and when an object was `dropped` for
want of room"""
CANCELLATIONS = "vidferry:cancellations:"
"""+ a worker's name: list of downloads that it runs and nobody wants any more"""
SITE = "vidferry:site:"
"""+ a site: sorted set of the downloads that run there, by the time (ms) until which they are known to"""
CALLER = "vidferry:caller:"
"""+ digest of a caller: the same, of the downloads that the caller asked for"""
TURN = ":turn"
"""after a caller's key: hash, the arq id of its download that is `ready`, and when the caller was last `served` (ms)"""
PARKED = ":parked"
"""after a site's or caller's key: sorted set of the lines that wait for it, by their turns"""
LINE = "vidferry:parked:"
"""+ the keys of a site and a caller: sorted set of the arq ids of both that are parked, by their order"""
PAUSES = "vidferry:pauses"
"""sorted set: the keys of all pauses by the time (ms) at which a pick looks at them: when they end, or when their trial
may be lost; PARKED_SCORE where they are over, and what they hold goes back on the queue"""
ACCOUNT, PAUSE = ":account:", ":pause:"
"""after a site's key: ACCOUNT, a credential, PAUSE, a way out (empty: none): hash, a pause of that site. When it ends
(`until`, ms), how long it lasts (`length`, ms), why (`code`, `sentence`), the download that tries whether the site
answers again (`trial`), the caller whose `turn` with trials was last, and whether it is `over`"""
HELD_BY = ":held"
"""after a pause's key: sorted set of the arq ids that it holds, by their order"""
BY_CALLER = ":by-caller"
"""after a pause's key: sorted set of the same, each behind its caller and its order; all scores are 0. So the first of
a caller, and the next caller, are found however many one caller has"""
UNTOLD = ":untold"
"""after a pause's key: the same, of those whose watchers don't know its newest end yet"""
HELD = "vidferry:held"
"""sorted set: the arq ids that any pause holds, by the time (ms) since when. They are not on the queue; its name is,
with HELD_SCORE, as long as there are any"""
PAUSE_NEWS = "vidferry:pause-news"
"""set: the pauses whose end is to be told, or that are over and still hold something"""
STARTS = "vidferry:starts"
"""sorted set: the keys of sites whose starts a minute are limited, by the time (ms) of the next one"""
MAX_PAUSES = 1000.0
"""of all sites. Beyond that, what a site refuses waits by itself"""
WORKERS = "vidferry:workers"
"""sorted set: `{slots}:{worker}` of each worker that takes downloads, by the time (ms) until which it is known to"""
DOORBELL = "vidferry:doorbell"
"""list: an element for each download put on the queue, so that an idle worker need not poll"""
DELAYED = "vidferry:delayed"
"""sorted set: arq ids that wait for their next try, by the time (ms) they are due"""

ENDED_JOBS = "vidferry:ended-jobs:"
"""+ an owner: list, its jobs that have ended, the oldest first, each with the bytes that it takes and the keys that go
with it"""
ENDED_PROBES = "vidferry:ended-probes:"
"""+ an owner: list, the same of its probes, whose records are larger and go sooner"""
ENDED_LISTS = "vidferry:ended-lists"
"""sorted set: the keys of these lists by the bytes of their jobs"""
ENDED = "vidferry:ended"
"""list: the same of all owners, which 0.2.0 has ended"""
ROOM = "vidferry:room"
"""hash: `ended_jobs` and `ended_bytes`, number and bytes of the jobs that have ended (`ended`: bytes of those that
0.2.0 has ended); `open`, bytes of what has not; the `share` of Redis' memory that was used when a script last `looked`,
and what was open then (`looked_open`)"""
REQUESTS = "vidferry:requests:"
"""+ digest of a caller: the time (ms) from which on all requests of its minute are left; it expires then"""

KEY_REQUESTS = "vidferry:key-requests"
"""+ what the library `limits` makes of the digest of an API key: list, the times of its requests in the last minute"""
OWNER_BYTES = "vidferry:owner-bytes:"
"""+ a day since 1970 (UTC), a colon, an owner: the bytes that were uploaded for the owner on that day"""

TASKS = "vidferry:tasks:"
"""+ a queue's name: sorted set of ids of tasks by the time (ms) they are due. A task that is being done is due again
when its worker has to be given up. + a colon and the id: hash, the task's record"""
TASK_DOORBELL = ":doorbell"
"""after a task queue's key: list, an element for each task that was added"""

BATCHES = TASKS + "batches"
"""the task queue of the batches that have not ended; a task's id is the job id of its batch"""
BATCH_NEWS = TASKS + "batch-news"
"""the task queue of the batches whose newest state has not been published"""

PROBES = TASKS + "probes"
"""the task queue of the probes that have not ended; a task's id is the job id of its probe"""
OPEN_PROBES = "vidferry:open-probes:"
"""+ digest of a caller: sorted set of the ids of the caller's probes that have not ended, by the time (ms) of their
creation"""
PROBE_BY_URL = "vidferry:probe-by-url:"
"""+ digest of URL, format and part of the bucket: what a probe found there lately, as JSON"""

DELIVERIES = TASKS + "deliveries"
"""the queue of the jobs that have events for a receiver: the task of a job has its id"""
EVENT_BYTES = 1024.0
"""that an event takes beside its text: its task, its entries in the sets, what is told of it"""
EVENTS = ":events"
"""after a delivery task's key: list of the events that the receiver has not accepted yet, the oldest first"""
DELIVERY_LOG = ":deliveries"
"""after a job's key: hash, what became of each of its events, by the number of the message that it came with"""
UNDELIVERED = "vidferry:undelivered"
"""sorted set: the jobs with such events, by the time (ms) of the first one"""
UNDELIVERED_BYTES = "vidferry:undelivered-bytes"
"""hash: by owner, the bytes that these events take"""
RECEIVER = "vidferry:receiver:"
"""+ digest of an owner and a domain: sorted set of the jobs whose events are being delivered there, by the time (ms)
until which that counts"""
RECEIVER_STATE = ":state"
"""after a receiver's key: how it answered last (ReceiverState of store/webhooks.py), and until when (ms) it counts as
slow; for an hour"""
POSTPONED = "vidferry:postponed-deliveries:"
"""+ a share of the slots (SlotShare of store/webhooks.py), a colon, an owner: sorted set of the owner's jobs that found
no slot there, by the time (ms) at which they were due"""
DISABLED_ENDPOINTS = "vidferry:disabled-endpoints"
"""sorted set: digests of an owner and a URL that wants no more events, by the time (ms) until which it gets none"""

BUNDLE = "vidferry:bundle"
"""hash: the bundle that the workers run (Bundle of contract/bundles.py). Without it, they run that of their image"""
BUNDLE_BEFORE = "vidferry:bundle-before"
"""hash: the same of the bundle before it, to which the workers can go back"""
BUNDLE_LOOKS = "vidferry:bundle-looks"
"""hash: when the leader last `looked` for a newer bundle, when a download last `asked` for it, and until when somebody
is known to look at all (`watched_until`; all ms)"""
AWAITING_BUNDLE = "vidferry:awaiting-bundle"
"""sorted set: arq ids of the downloads whose next try waits for that look, by the time (ms) they are due without it"""
HELD_BUNDLES = "vidferry:held-bundles"
"""hash: versions of yt-dlp that are not taken, each with the time (ms) since when, a space and the reason"""
YT_DLP_ATTEMPTS = "vidferry:yt-dlp-attempts"
"""sorted set: the versions of yt-dlp whose attempts are counted, by the time (ms) of the last one"""
WORKED, FAILED = ":worked", ":failed"
"""after that key, a colon and a version: sorted set of a caller's digest, a space and a site, by the time (ms) at which
an attempt of that caller at that site last worked, or failed in a way that a bad yt-dlp does"""
WORKER_VERSIONS = "vidferry:worker-versions"
"""hash: by worker, what it has reported of the versions that it runs, JSON"""
REPORTING_WORKERS = "vidferry:reporting-workers"
"""sorted set: these workers by the time (ms) until which their reports count"""

CHANNEL = "websocket:"
"""+ job id: where the job's messages are published"""

QUEUE = "arq:queue"
"""arq's sorted set of all that waits or runs, but for what a pause holds. What is ready has its order for a score (when
it was due, less its head start), what is delayed the time it is due, what waits for its site or caller PARKED_SCORE,
what runs RUNNING_SCORE"""
RUNNING_SCORE = 8e15
PARKED_SCORE = 9e15
HELD_SCORE = 9.5e15
"""Scores that no clock reaches: arq takes nothing whose score lies ahead."""
LONGEST_HEAD_START = float(max(each.head_start_ms for each in Priority))
"""ms"""
ARQ_JOB = "arq:job:"
FUNCTION = "download"
"""the arq function's name; its arguments are download id and attempt"""


def arq_id(download_id: str, attempt: int) -> str:
    """The id of the arq job that carries one attempt."""
    return f"{download_id}:{attempt}"
