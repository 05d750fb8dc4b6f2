"""Parts of the OpenAPI document for requests that create a job."""

from typing import Any

from vidferry_api.http.problems import RATE_LIMIT_HEADERS, problem_responses
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.tickets import QUERY

TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context. The job continues that trace, or begins a new one without it.",
    "schema": {"type": "string"},
}
TICKET = {
    "name": QUERY,
    "in": "query",
    "description": "The ticket, as the links of the job have it, where access isn't open. It is used instead of an API "
    "key or token.",
    "schema": {"type": "string"},
}
TICKET_PROBLEMS = (ProblemCode.TICKET_INVALID, ProblemCode.TICKET_EXPIRED)


def creation_responses(*refusals: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the responses; refusals are those of one route beyond the common ones."""
    return {
        202: {
            "description": "The job was queued, or attached to a download of the same video that is already running.",
            "headers": {
                "Location": {"description": "The URL of the job.", "schema": {"type": "string"}},
                **RATE_LIMIT_HEADERS,
                "Idempotency-Replayed": {
                    "description": "`true` if an earlier request with the same key created the job.",
                    "schema": {"type": "string"},
                },
            },
        },
        **problem_responses(
            *refusals,
            ProblemCode.INVALID_HOST,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.IDEMPOTENCY_MISMATCH,
            ProblemCode.TOO_MANY_REQUESTS,
            ProblemCode.QUOTA_EXCEEDED,
            ProblemCode.QUEUE_FULL,
            ProblemCode.REDIS_FULL,
            ProblemCode.REDIS_UNAVAILABLE,
        ),
    }
