"""The JSON document of a job, the same wherever a job is described. Steps on sockets and event streams carry it too."""

import time
from typing import Any

from vidferry_api.http.public_urls import events_url, job_url, websocket_url
from vidferry_common.contract.tickets import QUERY, Purpose, TicketSigner
from vidferry_common.store import JobRecord, fixed_fields

HISTORY_FIELDS = ("stage", "status", "progress", "message", "attempt", "timestamp")


def job_document(job: JobRecord, root: str) -> dict[str, Any]:
    """The job as callers see it; root is the public root.

    It is built from what is stored and not from the model `Job`: during an update a worker may be of a newer release
    than the api, with fields that the model does not have.
    """
    error = job.state.get("error")
    return {
        "expires_at": None,  # a job that the release before has ended tells none
        "probe": None,
        **job.state,
        **({"error": {**_ERROR_OF_0_2_0, **error}} if error else {}),
        **fixed_fields(job),
        "status_url": job_url(root, job.job_id),
        "ws_url": websocket_url(root, job.job_id),
        "events_url": events_url(root, job.job_id),
        "cursor": job.cursor,
    }


def job_document_with_history(job: JobRecord, root: str) -> dict[str, Any]:
    """The document of a job that was read with its history."""
    steps = [{name: step.get(name) for name in HISTORY_FIELDS} for step in job.history]
    return {**job_document(job, root), "history": steps}


_ERROR_OF_0_2_0 = {"site": None, "yt_dlp_version": None}
"""what its errors lack"""
_LINK_PURPOSES = {
    "ws_url": Purpose.WATCH,
    "events_url": Purpose.WATCH,
    "thumbnail": Purpose.READ,
    "file_url": Purpose.READ,
}
"""what the ticket in each link of a document is for"""
_PURPOSES = frozenset(_LINK_PURPOSES.values())


def add_tickets(document: dict[str, Any], tickets: TicketSigner | None) -> dict[str, Any]:
    """The document of a job with tickets in its links, those in its result too; as it is where access is open.

    Whoever is handed the document may watch the job and read its file.
    """
    if tickets is None:
        return document
    job_id, now = document["job_id"], time.time()
    query = {purpose: f"?{QUERY}={tickets.make_job_ticket(purpose, job_id, now)}" for purpose in _PURPOSES}

    def with_tickets(fields: dict[str, Any]) -> dict[str, Any]:
        changed = {
            field: fields[field] + query[purpose] for field, purpose in _LINK_PURPOSES.items() if fields.get(field)
        }
        return {**fields, **changed}

    result = document.get("result")
    return with_tickets({**document, "result": with_tickets(result)} if result else document)
