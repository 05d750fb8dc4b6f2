"""What the index says of an object, from what the bucket knows of it."""

import math
from datetime import UTC, datetime
from urllib.parse import urlsplit

from vidferry_common.bucket import EXPIRES_AT, StoredObject
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.origins import registered_site
from vidferry_common.store import ObjectEntry
from vidferry_common.store.object_index import MAX_TITLE
from vidferry_common.text import remove_controls

SITE = "site"
"""in an object's metadata: the host that the worker knows the video to be of. Objects of 0.2.0 have none"""
_MAX_FILENAME = 200
_MAX_MEDIA_TYPE = 100


def entry_of(stored: StoredObject, *, has_thumbnail: bool) -> ObjectEntry:
    """The entry of an object. Whoever may write to the bucket may have written its metadata, so all is bounded."""
    expires = parse_expiry(stored.metadata.get(EXPIRES_AT, ""))
    return ObjectEntry(
        name=stored.name,
        bucket_version=stored.version,
        size=stored.size,
        media_type=stored.content_type[:_MAX_MEDIA_TYPE],
        filename=stored.filename[:_MAX_FILENAME],
        title=remove_controls(stored.metadata.get("title", ""))[:MAX_TITLE],
        duration=_parse_duration(stored.metadata.get("duration", "")),
        site=registered_site(_host_of(stored)),
        created=stored.created,
        expires_at=format_expiry(expires) if expires else "",
        has_thumbnail=has_thumbnail,
    )


def parse_expiry(text: str) -> datetime | None:
    """The time in an object's metadata; None where there is none that can be read."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def format_expiry(moment: datetime) -> str:
    """RFC 3339, in UTC with milliseconds."""
    return format_timestamp(moment.astimezone(UTC))


def _host_of(stored: StoredObject) -> str:
    """The host of its site: as the worker wrote it, or of 0.2.0 as its name or its source says."""
    segment = stored.name.split("/")[2] if stored.name.count("/") > 1 else ""
    known = stored.metadata.get(SITE) or ("" if segment.startswith("h-") else segment)
    try:
        return (known or urlsplit(stored.metadata.get("source", "")).hostname or "")[:253]
    except ValueError:
        return ""


def _parse_duration(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
