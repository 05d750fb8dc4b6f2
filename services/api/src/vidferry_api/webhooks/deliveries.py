"""Describes the events of a job, and sends one again."""

import time
from datetime import UTC, datetime
from typing import Any

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.contract.webhooks import event_id, parse_event_id
from vidferry_common.store import EventLog, JobDeliveries, JobRecord, ResendOutcome


async def read_deliveries(job: JobRecord, services: Services) -> dict[str, Any]:
    """The document of the job's events."""
    return describe_deliveries(job.job_id, await services.store.webhooks.read(job.job_id), time.time())


async def resend_event(job: JobRecord, text: str, services: Services) -> dict[str, Any]:
    """Sends an event again, and returns its document. Raises Problem if there is none, or if it is being sent."""
    named = parse_event_id(text)
    deliveries = await services.store.webhooks.read(job.job_id)
    known = deliveries.logs.get(named[1]) if named and named[0] == job.job_id else None
    if named is None or known is None:
        raise _no_event()
    outcome = await services.store.webhooks.resend(
        job.job_id, named[1], known, int(time.time() * 1000), services.settings.queue_bytes
    )
    if outcome is ResendOutcome.NONE:
        raise _no_event()
    if outcome is ResendOutcome.WAITING:
        raise Problem(ProblemCode.EVENT_WAITING, "Wait until the event is delivered or given up.")
    after = await services.store.webhooks.read(job.job_id)
    return _describe_event(job.job_id, named[1], after.logs.get(named[1], known))


def _no_event() -> Problem:
    return Problem(ProblemCode.EVENT_NOT_FOUND, "Check the event's id in the job's deliveries.")


def describe_deliveries(job_id: str, deliveries: JobDeliveries, now: float) -> dict[str, Any]:
    """The document of a job's events. now: seconds since 1970."""
    webhook, until = deliveries.webhook, deliveries.disabled_until
    return {
        "webhook": webhook
        and {
            "url": hide_query(webhook.url),
            "events": list(webhook.events),
            "disabled_until": _moment(until) if until and until > now * 1000 else None,
        },
        "events": [_describe_event(job_id, seq, log) for seq, log in deliveries.logs.items()],
    }


def hide_query(url: str) -> str:
    """The URL without the values in its query: they may be secrets, and whoever may read the job sees this."""
    address, mark, query = url.partition("?")
    shown = (name + equals if equals else "" for name, equals, _ in (each.partition("=") for each in query.split("&")))
    return address + mark + "&".join(f"{name}***" for name in shown) if query else url


def _describe_event(job_id: str, seq: int, log: EventLog) -> dict[str, Any]:
    return {
        "event_id": event_id(job_id, seq),
        "type": log.type,
        "created_at": _moment(log.created),
        "status": log.status,
        "attempt_count": log.attempt_count,
        "next_attempt_at": _moment(log.next_attempt),
        "attempts": [
            {"at": _moment(each.at), "duration": each.seconds, "status": each.status, "error": each.error}
            for each in log.attempts
        ],
    }


def _moment(ms: int | None) -> str | None:
    return None if ms is None else format_timestamp(datetime.fromtimestamp(ms / 1000, UTC))
