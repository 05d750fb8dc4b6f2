"""The JSON document of a job, as GET and DELETE answer it."""

from typing import Any

from vidferry_api.http.public_urls import events_url, websocket_url
from vidferry_common.store import JobRecord


def job_document(job: JobRecord, root: str) -> dict[str, Any]:
    """The job as callers see it; root is the public root.

    It is built from what is stored and not from the model `Job`: during an update a worker may be of a newer release
    than the api, with fields that the model does not have.
    """
    return {
        **job.state,
        "url": job.url,
        "format": job.format.model_dump(mode="json"),
        "priority": job.priority,
        "force": job.force,
        "retry_of": job.retry_of,
        "created_at": job.created,
        "ws_url": websocket_url(root, job.job_id),
        "events_url": events_url(root, job.job_id),
        "cursor": job.cursor,
    }
