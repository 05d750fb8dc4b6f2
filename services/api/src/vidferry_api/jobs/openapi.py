"""Parts of the OpenAPI document for requests that create a job."""

from typing import Any

from vidferry_api.http.parameters import URI
from vidferry_api.http.problems import RATE_LIMIT_HEADERS, problem_responses
from vidferry_common.contract.errors import ProblemCode

TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "description": "W3C trace context. The job continues that trace, or begins a new one without it.",
    "schema": {"type": "string", "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]},
}
_FOLLOW_UPS = ("getJob", "getJobFile", "getJobThumbnail", "cancelJob", "retryJob")
LINKS = {
    operation: {"operationId": operation, "parameters": {"job_id": "$response.body#/job_id"}}
    for operation in _FOLLOW_UPS
}
"""what may be asked next of a job that was created"""


_CREATED = "The job was queued, or attached to a download of the same video that is already running."


def creation_responses(*refusals: ProblemCode, description: str = _CREATED) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the responses; refusals are those of one route beyond the common ones."""
    return {
        202: {
            "description": description,
            "headers": {
                "Location": {"description": "The URL of the job.", "schema": URI},
                **RATE_LIMIT_HEADERS,
                "Idempotency-Replayed": {
                    "description": "`true` if an earlier request with the same key created the job.",
                    "schema": {"type": "string", "enum": ["true"]},
                },
            },
            "links": LINKS,
        },
        **problem_responses(
            *refusals,
            ProblemCode.INVALID_REQUEST,
            ProblemCode.JOB_NOT_FOUND,  # the job that the same Idempotency-Key created may be gone
            ProblemCode.IDEMPOTENCY_MISMATCH,
            ProblemCode.WEBHOOK_UNAVAILABLE,
            ProblemCode.TOO_MANY_REQUESTS,
            ProblemCode.QUOTA_EXCEEDED,
            ProblemCode.QUEUE_FULL,
            ProblemCode.REDIS_FULL,
            ProblemCode.REDIS_UNAVAILABLE,
        ),
    }
