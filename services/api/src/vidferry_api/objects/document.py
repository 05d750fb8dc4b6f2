"""The JSON document of an object, the same wherever an object is described."""

import time
from datetime import UTC, datetime
from typing import Any

from vidferry_common.contract.formats import Format
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.contract.tickets import QUERY, Purpose, TicketSigner
from vidferry_common.store import ObjectEntry


def object_document(entry: ObjectEntry, root: str, tickets: TicketSigner | None) -> dict[str, Any]:
    """The object as callers see it; root is the public root. Where access isn't open, its links carry tickets."""
    url = f"{root}/api/objects/{entry.id}"
    query = f"?{QUERY}={tickets.make_job_ticket(Purpose.READ_OBJECT, entry.id, time.time())}" if tickets else ""
    return {
        "object_id": entry.id,
        "version": entry.version,
        "title": entry.title or None,
        "site": entry.site or None,
        "format": Format.parse(entry.name.rpartition("/")[2]).model_dump(mode="json"),
        "duration": entry.duration,
        "size": entry.size,
        "media_type": entry.media_type,
        "filename": entry.filename or None,
        "stored_at": format_timestamp(datetime.fromtimestamp(entry.created, UTC)),
        "expires_at": entry.expires_at or None,
        "object_url": url,
        "file_url": f"{url}/file{query}",
        "thumbnail": f"{url}/thumbnail{query}" if entry.has_thumbnail else None,
    }
