"""What the tests expect of answers."""

from typing import Any
from uuid import UUID

import httpx2

VIDEO = "https://example.org/video"


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal: RFC 9457, with a code, and a sentence that ends."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= body.keys() <= {
        "type", "title", "status", "detail", "code", "errors",
    }  # fmt: skip
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:vidferry:problem:{code}")
    assert body["title"]
    assert body["detail"].endswith((".", "}."))
    if status == 503:
        assert int(answer.headers["retry-after"]) > 0
    return body


def post(client: httpx2.Client, url: str = VIDEO, headers: dict[str, str] | None = None, **fmt: str) -> dict[str, Any]:
    """The answer to a POST that must be accepted."""
    body: dict[str, Any] = {"url": url, **({"format": fmt} if fmt else {})}
    return accepted(client.post("/api/download", json=body, headers=headers or {}))


def accepted(answer: httpx2.Response) -> dict[str, Any]:
    """The answer that a job was made."""
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    UUID(found["job_id"])
    return found


def shown(client: httpx2.Client, job: dict[str, Any]) -> dict[str, Any]:
    """The job's document, without the history that only its own GET has."""
    found: dict[str, Any] = client.get(job["status_url"]).json()
    del found["history"]
    return found
