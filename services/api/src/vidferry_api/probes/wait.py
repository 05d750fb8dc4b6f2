"""Waits for a probe to end: `POST /api/probes?wait=SECONDS`."""

import asyncio
from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services
from vidferry_api.jobs.wait import MAX_SECONDS, wait_for_change
from vidferry_common.store import JobRecord, TooManyListeners

DEFAULT_SECONDS = 20

ProbeWait = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_SECONDS,
        allow_inf_nan=False,
        description="Seconds to wait for what is found, at most. If it takes longer, the answer is 202.",
    ),
]


async def wait_for_end(
    job: JobRecord, seconds: float, request: Request, services: Services, principal: Principal
) -> JobRecord:
    """The job once it has ended, or as it is after that many seconds.

    Returns early where the client disconnects, and where too many requests wait already. Raises Problem if it is gone.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not job.status.terminal and (left := until - loop.time()) > 0:
        before = job.status
        try:
            job = await wait_for_change(job, left, request, services, principal)
        except TooManyListeners:
            break
        if job.status is before:
            break
    return job
