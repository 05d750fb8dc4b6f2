"""What the OpenAPI document tells of requests for a job."""

from typing import Any

from vidferry_api.http.problems import RATE_HEADERS, problem_responses
from vidferry_common.contract.errors import ProblemCode

TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context; the job goes on in that trace, else in a new one.",
    "schema": {"type": "string"},
}


def creation_responses(*refusals: ProblemCode) -> dict[int | str, dict[str, Any]]:
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
        **problem_responses(
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
