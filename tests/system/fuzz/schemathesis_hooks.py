"""What schemathesis loads: most URLs that it makes by a pattern have no valid host, and no job would ever be made."""

import re
from hashlib import sha256
from typing import Any

import schemathesis

_ACCEPTED_BY_SCHEMA = re.compile(r"https?://", re.IGNORECASE)
_MAX_LENGTH = 2048


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Replaces three of four URLs that are valid by the schema by ones that are accepted."""
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str) or len(url) > _MAX_LENGTH or not _ACCEPTED_BY_SCHEMA.match(url):
        return body
    chosen = sha256(url.encode(errors="replace")).digest()[0]
    return body if chosen % 4 == 0 else {**body, "url": f"https://example.org/{chosen}"}
