"""How a request becomes a job, and what it is answered: the same for a new download and for one that is tried again."""

import logging
import re
import secrets
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Header, Request, Response

from vidferry_api.addresses import events_address, job_address, public_root, socket_address
from vidferry_api.callers import caller_of
from vidferry_api.models import Accepted
from vidferry_api.problems import RATE_HEADERS, Problem, rate_headers, responses
from vidferry_api.services import ServicesDep
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.formats import Format
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.trace import trace_id
from vidferry_common.store import CallerOverRate, Created, NewJob, QueueFull, RedisFull

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEY_SCHEMA: dict[str, Any] = {"pattern": "^[\\x21-\\x7e]{1,255}$"}

TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context; the job goes on in that trace, else in a new one.",
    "schema": {"type": "string"},
}


def answers(*refusals: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of what a request for a job is answered; refusals are those of its own."""
    return {
        202: {
            "description": "The job is on the queue, or attached to a download of the same video that runs already.",
            "headers": {
                "Location": {"description": "The job.", "schema": {"type": "string"}},
                **RATE_HEADERS,
                "Idempotency-Replayed": {
                    "description": "`true` where the job was made by an earlier request with the same key.",
                    "schema": {"type": "string"},
                },
            },
        },
        **responses(
            *refusals,
            ProblemCode.INVALID_HOST,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.IDEMPOTENCY_MISMATCH,
            ProblemCode.TOO_MANY_REQUESTS,
            ProblemCode.QUEUE_FULL,
            ProblemCode.REDIS_FULL,
            ProblemCode.REDIS_UNAVAILABLE,
        ),
    }


def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Makes a repeated request of the same caller answer with the same job for 24 hours, "
            "as long as that is known. "
            "1 to 255 visible ASCII characters.",
            json_schema_extra=_KEY_SCHEMA,
        ),
    ] = None,
) -> str:
    """The request's Idempotency-Key; empty without one."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(ProblemCode.INVALID_REQUEST, "An Idempotency-Key is 1 to 255 visible ASCII characters.")
    return idempotency_key or ""


class Intake:
    """Takes the job of one request in."""

    def __init__(
        self, request: Request, response: Response, services: ServicesDep, key: Annotated[str, Depends(_key)]
    ) -> None:
        self._request, self._response, self._services, self._key = request, response, services, key

    async def accept(self, url: str, fmt: Format, priority: Priority, *, force: bool, retry_of: str = "") -> Accepted:
        """Makes the job, or finds the one that the same request made before. url is a canonical one."""
        services = self._services
        job = NewJob(
            job_id=str(uuid4()),
            download_id=str(uuid4()),
            epoch=secrets.token_hex(4),
            url=url,
            format=fmt,
            public_root=public_root(self._request, services.settings),
            traceparent=self._request.state.traceparent,
            idempotency_key=self._key,
            priority=priority,
            force=force,
            retry_of=retry_of,
            caller=caller_of(self._request.scope, services.settings.proxies),
        )
        created = await self._create(job)
        trace = trace_id(job.traceparent)
        logger.info("job accepted", extra={"job_id": created.job_id, "replayed": created.replayed, "trace_id": trace})
        services.metrics.accepted.add(created.outcome)
        return self._answer(job.public_root, created)

    async def _create(self, job: NewJob) -> Created:
        """Counts a refusal, and logs whom it was given to: of a proxy that is not named as one, all callers are one."""
        services, settings = self._services, self._services.settings
        try:
            return await services.store.jobs.create(job, settings.queue_cap, settings.queue_bytes, settings.caller_rate)
        except CallerOverRate:
            services.metrics.refused.add("caller_rate")
            logger.warning(
                "as many requests of one address as VIDFERRY_CALLER_RATE allows; a proxy has to be named in "
                "VIDFERRY_TRUSTED_PROXIES",
                extra={"address": job.caller},
            )
            raise
        except QueueFull:
            services.metrics.refused.add("queue_full")
            raise
        except RedisFull:
            services.metrics.refused.add("redis_full")
            services.memory_log.refused()
            raise

    def _answer(self, root: str, created: Created) -> Accepted:
        if created.status is None:
            raise Problem(ProblemCode.JOB_NOT_FOUND, "The job of this Idempotency-Key has expired. Use a new key.")
        if created.quota:
            self._response.headers.update(rate_headers(created.quota))
        self._response.headers["Location"] = job_address(root, created.job_id)
        if created.replayed:
            self._response.headers["Idempotency-Replayed"] = "true"
        return Accepted(
            job_id=created.job_id,
            status=created.status,
            status_url=job_address(root, created.job_id),
            ws_url=socket_address(root, created.job_id),
            events_url=events_address(root, created.job_id),
        )


IntakeDep = Annotated[Intake, Depends()]
