"""The API of the last release is still there: its OpenAPI document, kept beside this test, against the one of today.

At a release, `released/` gets the document of that release in place of the one before:
`curl http://localhost:3001/openapi.json` of its `make up`.
"""

import json
from pathlib import Path
from typing import Any

import httpx2

from support.openapi_changes import Comparison

RELEASED = Path(__file__).parent / "released" / "openapi-0.2.0.json"
SAID_LATER = {
    # What the release refused as well, without saying so in its document.
    r"POST /api/download body.url: pattern is ^\s*[Hh][Tt][Tt][Pp][Ss]?://",
    "POST /api/download body.url: maxLength is 2048",
    "POST /api/download idempotency-key: minLength is 1",
    "POST /api/download idempotency-key: maxLength is 255",
    "POST /api/jobs/{job_id}/retry idempotency-key: minLength is 1",
    "POST /api/jobs/{job_id}/retry idempotency-key: maxLength is 255",
    # An id of another form was no job's, and is none now: 404.
    "DELETE /api/jobs/{job_id} job_id: format is uuid",
    "GET /api/jobs/{job_id} job_id: format is uuid",
    "GET /api/jobs/{job_id}/file job_id: format is uuid",
    "GET /api/jobs/{job_id}/thumbnail job_id: format is uuid",
    "POST /api/jobs/{job_id}/retry job_id: format is uuid",
    # Null for a batch of many URLs alone, and no client of that release makes one.
    "DELETE /api/jobs/{job_id} 200.url: may be null",
    "GET /api/jobs/{job_id} 200.url: may be null",
    # Any text for a batch's job whose entry is no URL, and no client of that release makes one.
    "DELETE /api/jobs/{job_id} 200.url: format changed",
    "GET /api/jobs/{job_id} 200.url: format changed",
}
"""Changes that break no client, each with its reason."""


def test_nothing_that_was_released_breaks(api: httpx2.Client) -> None:
    released: dict[str, Any] = json.loads(RELEASED.read_text())
    changes = Comparison(released, api.get("/openapi.json").json()).breaking_changes()

    assert set(changes) == SAID_LATER
