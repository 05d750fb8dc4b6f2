"""Waits for a job's status to change: `GET /api/jobs/{job_id}?wait=SECONDS`."""

import asyncio
import contextlib
from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services, find_job
from vidferry_api.http.conditional import listed_etags
from vidferry_api.http.problems import BodyTooLarge
from vidferry_common.contract.stages import Status
from vidferry_common.store import JobRecord

MAX_SECONDS = 60
READ_INTERVAL = 10.0
"""Seconds after which the job is read even if nothing was heard: Redis may have lost what it published, or a former
primary may not know what another one publishes."""
END_STATUSES = frozenset(status.value for status in Status if status.terminal)

WaitSeconds = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_SECONDS,
        allow_inf_nan=False,
        description="Seconds to wait for the next change of `status`, at most. A change of progress does not end the "
        "wait. Send the ETag of the last response as If-None-Match, so that a change between the two requests is not "
        "missed. A job that has ended is answered at once.",
    ),
]


async def wait_for_change(
    job: JobRecord, seconds: float, request: Request, services: Services, principal: Principal
) -> JobRecord:
    """Waits until the job's status is not the one that the caller saw last, and returns the job as it is then.

    Returns early when the client disconnects and when the api stops. Raises Problem if the job is gone, and
    TooManyListeners.
    """
    loop = asyncio.get_running_loop()
    began, status = loop.time(), job.state["status"]
    if status in END_STATUSES or _has_seen_another(status, request):
        return job
    with services.changes.listen(job.job_id, status, principal.owner) as listener:
        disconnect = asyncio.create_task(_await_disconnect(request))
        disconnect.add_done_callback(lambda _: listener.release())
        try:
            has_changed = False
            while job.state["status"] == status and not has_changed and not listener.released:
                left = began + seconds - loop.time()
                if left <= 0:
                    break
                if not listener.changed:  # it may have changed while the job was read
                    await listener.wait(min(left, READ_INTERVAL))
                has_changed = listener.changed
                if not disconnect.done():
                    job = await find_job(job.job_id, services, principal, with_history=True)
        finally:
            disconnect.cancel()
            request.state.waited = getattr(request.state, "waited", 0.0) + loop.time() - began
    return job


def status_etag(status: str, etag: str) -> str:
    """The ETag with the status in front, which is how a waiting request tells what its caller saw last."""
    return f'"{status}-{etag[1:]}' if status.isalpha() else etag


def _has_seen_another(status: str, request: Request) -> bool:
    """Whether the caller's If-None-Match names responses, and none of them had this status."""
    seen = {before.strip('"') for before, dash, _ in (tag.partition("-") for tag in listed_etags(request)) if dash}
    return bool(seen) and status not in seen


async def _await_disconnect(request: Request) -> None:
    with contextlib.suppress(BodyTooLarge):  # a body means nothing here
        await request.receive()
    while (await request.receive())["type"] != "http.disconnect":
        pass
