"""Creates jobs, for new downloads and for retries alike, and builds the response."""

import logging
import re
import secrets
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse

from vidferry_api.access.principal import Principal
from vidferry_api.dependencies import Services, ServicesDep, WriterDep
from vidferry_api.http.callers import caller_address
from vidferry_api.http.json_response import FastJSONResponse
from vidferry_api.http.problems import Problem, rate_limit_headers
from vidferry_api.http.public_urls import job_url, public_root
from vidferry_api.jobs.document import add_tickets, job_document
from vidferry_api.jobs.limits import limit_format
from vidferry_api.jobs.webhook import choose_webhook
from vidferry_api.partitions import check_credential, partition_for
from vidferry_common.contract.batches import BatchWarning, Entry, PlaylistRequest
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.formats import Format
from vidferry_common.contract.identity import site_of
from vidferry_common.contract.kinds import JobKind
from vidferry_common.contract.priority import Priority
from vidferry_common.contract.trace import trace_id
from vidferry_common.store import (
    CallerOverRate,
    Created,
    JobRecord,
    NewJob,
    Outcome,
    QueueFull,
    QuotaExceeded,
    RedisFull,
    entries_digest,
    idempotency_name,
)
from vidferry_common.tracing import Span, SpanKind, attributes

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEY_SCHEMA: dict[str, Any] = {"minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]{1,255}$"}


async def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="A repeated request of the same caller with the same key gets the same job, for 24 hours and "
            "as long as the job is kept. 1 to 255 visible ASCII characters.",
            examples=["a0c3e8f2-5b1d-4c7e-9f60-2d4b8e1a7c35"],
            json_schema_extra=_KEY_SCHEMA,
        ),
    ] = None,
) -> str:
    """The request's Idempotency-Key; empty if it has none."""
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(ProblemCode.INVALID_REQUEST, "Send an Idempotency-Key of 1 to 255 visible ASCII characters.")
    return idempotency_key or ""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked of a new job."""

    url: str
    """canonical; empty where it names many"""
    format: Format
    priority: Priority
    force: bool
    external_id: str | None
    metadata: dict[str, Any] | None
    webhook: dict[str, Any] | None = None
    """WebhookRequest.request_fields()"""
    credential: str = ""


class JobCreator:
    """Creates the jobs that one request asks for."""

    def __init__(self, request: Request, services: Services, principal: Principal, key: str) -> None:
        self._request, self.services, self._principal, self.key = request, services, principal, key

    @property
    def public_root(self) -> str:
        """The public root of the request's URLs. Raises Problem if the request names no host."""
        return public_root(self._request, self.services.settings)

    async def create(
        self, asked: JobRequest, retry_of: str = "", owner: str | None = None, key: str | None = None, title: str = ""
    ) -> Created:
        """Creates the job, or finds the one that the same Idempotency-Key created before.

        owner and key: the principal and the request's Idempotency-Key if they are None. title: if it is known already.
        """
        span = self._begin_span("downloads")
        job = self._make_job(asked, retry_of, owner, key, span)
        store, settings = self.services.store, self.services.settings
        creating = store.jobs.create(job, settings.queue_cap, settings.queue_bytes, settings.caller_rate, title)
        return await self._accept(job, creating, span)

    async def create_batch(
        self,
        asked: JobRequest,
        source: Sequence[Entry] | PlaylistRequest,
        retry_of: str = "",
        owner: str | None = None,
        key: str | None = None,
        title: str = "",
        warnings: Sequence[BatchWarning] = (),
    ) -> Created:
        """The same for a batch of these entries, or of a playlist's."""
        named: dict[str, Any]
        if isinstance(source, PlaylistRequest):
            named, entries = {"playlist": asdict(source)}, None
        else:
            named, entries = {"urls": entries_digest(source)}, source
        span = self._begin_span("batches")
        job = replace(self._make_job(asked, retry_of, owner, key, span), kind=JobKind.BATCH, asked=named)
        store, settings = self.services.store, self.services.settings
        creating = store.batches.create(
            job, entries, settings.queue_cap, settings.queue_bytes, settings.caller_rate, title, warnings
        )
        return await self._accept(job, creating, span)

    async def create_probe(
        self, asked: JobRequest, retry_of: str = "", owner: str | None = None, key: str | None = None
    ) -> Created:
        """The same for a probe."""
        span = self._begin_span("probes")
        job = replace(self._make_job(asked, retry_of, owner, key, span), kind=JobKind.PROBE, webhook=None)
        settings = self.services.settings
        creating = self.services.store.probes.create(
            job, settings.queue_cap, settings.queue_bytes, settings.caller_rate
        )
        return await self._accept(job, creating, span)

    def _begin_span(self, destination: str) -> Span:
        """The span of one job's creation, from which its trace goes on."""
        span: Span = self._request.state.span
        return span.begin(f"create {destination}", SpanKind.PRODUCER, attributes.messaging("create", destination))

    def _make_job(self, asked: JobRequest, retry_of: str, owner: str | None, key: str | None, span: Span) -> NewJob:
        services, principal = self.services, self._principal
        owner = principal.owner if owner is None else owner
        check_credential(asked.credential, owner, services)
        return NewJob(
            job_id=str(uuid4()),
            download_id=str(uuid4()),
            epoch=secrets.token_hex(4),
            url=asked.url,
            format=limit_format(asked.format, principal.limits),
            public_root=self.public_root,
            traceparent=span.traceparent,
            idempotency_key=self.key if key is None else key,
            priority=asked.priority,
            force=asked.force,
            retry_of=retry_of,
            external_id=asked.external_id,
            metadata=asked.metadata,
            requested_webhook=asked.webhook,
            webhook=choose_webhook(asked.webhook, owner, services),
            owner=owner,
            caller=self._caller_of(owner),
            limits=principal.limits,
            partition=partition_for(owner, asked.credential, services),
            credential=asked.credential,
        )

    async def _accept(self, job: NewJob, creating: Awaitable[Created], span: Span) -> Created:
        """Stores the job. Raises Problem if the job that the same Idempotency-Key created is gone."""
        try:
            created = await self._store_job(job, creating)
        except Exception as error:
            span.fail(type(error).__name__)
            raise
        else:
            span.set({"vidferry.job.id": created.job_id, "vidferry.outcome": created.outcome})
            span.add_link(created.followed)
        finally:
            span.end()
        self._log_accepted(job, created)
        self.services.metrics.accepted.add(created.outcome)
        if created.job is None:
            raise Problem(
                ProblemCode.JOB_NOT_FOUND, "The job of this Idempotency-Key was deleted. Use a new Idempotency-Key."
            )
        return created

    def _log_accepted(self, job: NewJob, created: Created) -> None:
        """Logs what joins the entries of the api, which know the job, to those of workers, which know the download."""
        is_new = job.kind is JobKind.DOWNLOAD and created.outcome is Outcome.CREATED
        logger.info(
            "job accepted",
            extra={
                "job_id": created.job_id,
                "download_id": job.download_id if is_new else None,
                "owner": job.owner or None,
                "kind": job.kind,
                "outcome": created.outcome,
                "site": site_of(job.url),
                "trace_id": trace_id(job.traceparent),
            },
        )

    def name_key(self, key: str, owner: str) -> str:
        """What Redis knows an Idempotency-Key of this request's caller by, for a job of that owner."""
        return idempotency_name(owner, self._caller, self.public_root, key)

    async def check_rate(self, owner: str) -> None:
        """Raises CallerOverRate if no request is left for a job of that owner: before much is read for it."""
        caller, rate = self._caller_of(owner), self.services.settings.caller_rate
        try:
            await self.services.store.jobs.check_rate(caller, rate)
        except CallerOverRate:
            self._note_over_rate(owner, caller)
            raise

    def _caller_of(self, owner: str) -> str:
        return f"owner:{owner}" if owner else self._caller

    @property
    def _caller(self) -> str:
        return caller_address(self._request.scope, self.services.settings.proxies)

    async def _store_job(self, job: NewJob, creating: Awaitable[Created]) -> Created:
        """Stores the job, and counts a refusal."""
        services = self.services
        try:
            return await creating
        except CallerOverRate:
            self._note_over_rate(job.owner, job.caller)
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

    def _note_over_rate(self, owner: str, caller: str) -> None:
        """Counts the refusal, and logs the caller, whose address may be a proxy's."""
        self.services.metrics.refused.add("caller_rate")
        if owner:
            logger.info("an owner sends more requests than VIDFERRY_CALLER_RATE allows", extra={"owner": owner})
        else:
            logger.warning(
                "one client address sends more requests than VIDFERRY_CALLER_RATE allows; if it is a proxy, add it "
                "to VIDFERRY_TRUSTED_PROXIES",
                extra={"address": caller},
            )

    def describe(self, created: Created, job: JobRecord | None = None) -> JSONResponse:
        """The response that describes the job: as it was created, or as it is by now, where that is given."""
        status = 200 if job and job.status.terminal else 202
        job = job or created.job
        assert job is not None  # create() raises otherwise
        root = self.public_root
        document = add_tickets(job_document(job, root), self.services.tickets)
        response = FastJSONResponse(document, status, {"Location": job_url(root, created.job_id)})
        if created.quota:
            response.headers.update(rate_limit_headers(created.quota))
        if created.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return response


async def _make_creator(
    request: Request, services: ServicesDep, principal: WriterDep, key: Annotated[str, Depends(_idempotency_key)]
) -> JobCreator:
    return JobCreator(request, services, principal, key)


JobCreatorDep = Annotated[JobCreator, Depends(_make_creator)]
