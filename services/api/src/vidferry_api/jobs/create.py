"""Creates jobs, for new downloads and for retries alike, and builds the response."""

import logging
import re
import secrets
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Header, Request, Response

from vidferry_api.dependencies import ServicesDep, WriterDep
from vidferry_api.http.callers import caller_address
from vidferry_api.http.problems import Problem, rate_limit_headers
from vidferry_api.http.public_urls import events_url, job_url, public_root, websocket_url
from vidferry_api.jobs.document import add_tickets
from vidferry_api.jobs.limits import job_limits, limit_format
from vidferry_api.jobs.schemas import Accepted
from vidferry_api.settings import ObjectSharing
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import partition_of
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.trace import trace_id
from vidferry_common.store import CallerOverRate, Created, NewJob, QueueFull, QuotaExceeded, RedisFull

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEY_SCHEMA: dict[str, Any] = {"pattern": "^[\\x21-\\x7e]{1,255}$"}


def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="A repeated request of the same caller with the same key gets the same job, for 24 hours and "
            "as long as the job is kept. 1 to 255 visible ASCII characters.",
            json_schema_extra=_KEY_SCHEMA,
        ),
    ] = None,
) -> str:
    """The request's Idempotency-Key; empty if it has none."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(ProblemCode.INVALID_REQUEST, "Send an Idempotency-Key of 1 to 255 visible ASCII characters.")
    return idempotency_key or ""


class JobCreator:
    """Creates the job that one request asks for."""

    def __init__(
        self,
        request: Request,
        response: Response,
        services: ServicesDep,
        principal: WriterDep,
        key: Annotated[str, Depends(_idempotency_key)],
    ) -> None:
        self._request, self._response, self._services, self._key = request, response, services, key
        self._principal = principal

    @property
    def public_root(self) -> str:
        """The public root of the request's URLs. Raises Problem if the request names no host."""
        return public_root(self._request, self._services.settings)

    async def create(self, url: str, fmt: Format, priority: Priority, *, force: bool, retry_of: str = "") -> Accepted:
        """Creates the job, or finds the one that the same Idempotency-Key created before. url must be canonical."""
        services, principal = self._services, self._principal
        owner = principal.owner
        job = NewJob(
            job_id=str(uuid4()),
            download_id=str(uuid4()),
            epoch=secrets.token_hex(4),
            url=url,
            format=limit_format(fmt, principal.limits),
            public_root=self.public_root,
            traceparent=self._request.state.traceparent,
            idempotency_key=self._key,
            priority=priority,
            force=force,
            retry_of=retry_of,
            owner=owner,
            caller=f"owner:{owner}" if owner else caller_address(self._request.scope, services.settings.proxies),
            limits=job_limits(principal.limits),
            partition=partition_of(owner) if services.settings.share_objects is ObjectSharing.OWNER else "",
        )
        created = await self._store_job(job)
        trace = trace_id(job.traceparent)
        logger.info("job accepted", extra={"job_id": created.job_id, "replayed": created.replayed, "trace_id": trace})
        services.metrics.accepted.add(created.outcome)
        return self._describe_accepted(job.public_root, created)

    async def _store_job(self, job: NewJob) -> Created:
        """Stores the job. Counts a refusal; logs the caller over its rate, whose address may be a proxy's."""
        services, settings = self._services, self._services.settings
        try:
            return await services.store.jobs.create(job, settings.queue_cap, settings.queue_bytes, settings.caller_rate)
        except CallerOverRate:
            services.metrics.refused.add("caller_rate")
            if job.owner:
                logger.warning(
                    "an owner sends more requests than VIDFERRY_CALLER_RATE allows", extra={"owner": job.owner}
                )
            else:
                logger.warning(
                    "one client address sends more requests than VIDFERRY_CALLER_RATE allows; if it is a proxy, add it "
                    "to VIDFERRY_TRUSTED_PROXIES",
                    extra={"address": job.caller},
                )
            raise
        except QuotaExceeded as error:
            services.metrics.refused.add(error.limit)
            raise
        except QueueFull:
            services.metrics.refused.add("queue_full")
            raise
        except RedisFull:
            services.metrics.refused.add("redis_full")
            services.memory_log.note_refusal()
            raise

    def _describe_accepted(self, root: str, created: Created) -> Accepted:
        if created.status is None:
            raise Problem(
                ProblemCode.JOB_NOT_FOUND, "The job of this Idempotency-Key was deleted. Use a new Idempotency-Key."
            )
        if created.quota:
            self._response.headers.update(rate_limit_headers(created.quota))
        self._response.headers["Location"] = job_url(root, created.job_id)
        if created.replayed:
            self._response.headers["Idempotency-Replayed"] = "true"
        document = {
            "job_id": created.job_id,
            "status": created.status,
            "status_url": job_url(root, created.job_id),
            "ws_url": websocket_url(root, created.job_id),
            "events_url": events_url(root, created.job_id),
        }
        return Accepted(**add_tickets(document, self._services.tickets))


JobCreatorDep = Annotated[JobCreator, Depends()]
