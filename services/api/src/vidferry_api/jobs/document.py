"""The JSON document of a job, as GET and DELETE answer it."""

import time
from typing import Any

from vidferry_api.http.public_urls import events_url, websocket_url
from vidferry_common.contract.tickets import QUERY, Purpose, TicketSigner
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


_LINK_PURPOSES = {
    "ws_url": Purpose.WATCH,
    "events_url": Purpose.WATCH,
    "thumbnail": Purpose.READ,
    "file_url": Purpose.READ,
}
"""what the ticket in each link of a document is for"""


def add_tickets(document: dict[str, Any], tickets: TicketSigner | None) -> dict[str, Any]:
    """The document of a job with tickets in its links, those in its result too; as it is where access is open.

    Whoever is handed the document may watch the job and read its file.
    """
    if tickets is None:
        return document
    job_id, now = document["job_id"], time.time()

    def with_tickets(fields: dict[str, Any]) -> dict[str, Any]:
        changed = {
            field: f"{fields[field]}?{QUERY}={tickets.make_job_ticket(purpose, job_id, now)}"
            for field, purpose in _LINK_PURPOSES.items()
            if fields.get(field)
        }
        return {**fields, **changed}

    result = document.get("result")
    return with_tickets({**document, "result": with_tickets(result)} if result else document)
