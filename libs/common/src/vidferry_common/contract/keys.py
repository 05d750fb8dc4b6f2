"""Names of everything in Redis. The scripts take these as arguments or use the same prefixes (store/lib.lua)."""

JOB = "vidferry:job:"
"""+ job id: hash, one caller's request. Fields in records.py; `state` is the newest message, whole."""
HISTORY = ":history"
"""after a job's key: list of the job's stage changes, whole messages, oldest first"""
DOWNLOAD = "vidferry:download:"
"""+ download id: hash, the work for one video in one format"""
JOBS = ":jobs"
"""after a download's key: set of the ids of the jobs attached to it"""
STEPS = ":steps"
"""after a download's key: list of its stage changes, bodies of messages, for a job that attaches later"""
ADDRESS = "vidferry:address:"
"""+ digest of address and format: the id of the download that runs for it"""
IDEMPOTENCY = "vidferry:idempotency:"
"""+ digest of owner and Idempotency-Key: fingerprint and job id"""
LEASES = "vidferry:leases"
"""sorted set: download id by the time (ms) its lease ends"""
DOORBELL = "vidferry:doorbell"
"""list: an element for each download put on the queue, so that an idle worker need not poll"""

CHANNEL = "websocket:"
"""+ job id: where the job's messages are published"""

QUEUE = "arq:queue"
ARQ_JOB = "arq:job:"
FUNCTION = "download"
"""the arq function's name; its arguments are download id and attempt"""


def arq_id(download_id: str, attempt: int) -> str:
    """The id of the arq job that carries one attempt."""
    return f"{download_id}:{attempt}"
