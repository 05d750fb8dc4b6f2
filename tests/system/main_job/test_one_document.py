"""A job is described by one document, wherever somebody meets it."""

import json
from typing import Any

import httpx2

from support.origin.site import Site
from support.services import MakeUp

LABELS = {"external_id": "order 7", "metadata": {"lesson": 7, "tags": ["a", None]}}
AT_THE_END = {"result"}
FIXED = ("job_id", "kind", "url", "format", "priority", "force", "retry_of", "created_at", "external_id", "metadata",
         "parent", "batch", "status_url", "ws_url", "events_url")  # fmt: skip


def test_one_document_everywhere(folder_stack: MakeUp, site: Site) -> None:
    body = {"url": site.url("/hls/master.m3u8"), **LABELS}
    posted = httpx2.post(f"{folder_stack.url}/api/download", json=body, timeout=20).json()
    with folder_stack.follow(posted) as watched:
        last = watched.end()

    steps = [message["data"] for message in watched.messages if message.get("step")]
    assert len(steps) >= 12
    assert {name: posted[name] for name in LABELS} == LABELS
    for document in (posted, watched.data[0], *steps):
        assert document.keys() - AT_THE_END == posted.keys()
        assert {name: document[name] for name in FIXED} == {name: posted[name] for name in FIXED}

    read = folder_stack.get(posted["status_url"]).json()
    assert [(entry["stage"], entry["timestamp"]) for entry in read.pop("history")] == [
        (step["stage"], step["timestamp"]) for step in steps
    ]
    [listed] = folder_stack.get("/api/jobs?external_id=order+7").json()["jobs"]
    streamed = _events(folder_stack.get(posted["events_url"]).text)[-1]["data"]
    assert last == read == listed == streamed
    assert last["expires_at"] > last["timestamp"] > posted["created_at"]
    assert posted["expires_at"] is None


def _events(stream: str) -> list[dict[str, Any]]:
    """The messages of an event stream that has ended; its last event tells only that."""
    lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines][:-1]
