"""Every message of real jobs is as its JSON Schema says, which the api serves."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from websockets.sync.client import connect

from support.origin.site import Site
from support.services import SECONDS, MakeUp

pytestmark = pytest.mark.xdist_group("folder")

Schema = dict[str, Any]


@pytest.fixture
def schema(folder_stack: MakeUp) -> Schema:
    answer = folder_stack.get("/api/schema/messages.json")
    assert answer.headers["content-type"] == "application/schema+json"
    found: Schema = answer.json()
    Draft202012Validator.check_schema(found)
    return found


def _errors(schema: Schema, value: object, definition: str = "") -> list[str]:
    narrowed = {**schema, "anyOf": [{"$ref": f"#/$defs/{definition}"}]} if definition else schema
    validator = Draft202012Validator(narrowed, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def _lines(url: str) -> Iterator[str]:
    with httpx2.stream("GET", url, timeout=SECONDS, verify=False) as answer:
        yield from answer.iter_lines()


def test_a_job_that_completes_and_one_that_fails(folder_stack: MakeUp, site: Site, schema: Schema) -> None:
    completed = folder_stack.run(site.url("/hls/master.m3u8"))
    failed = folder_stack.run(site.url("/pages/missing"))
    messages = [*completed.messages, *failed.messages]

    assert {data["status"] for data in (completed.last, failed.last)} == {"completed", "failed"}
    assert {message.get("step") for message in messages} >= {True}
    for message in messages:
        assert _errors(schema, message, "StatusMessage") == [], message


def test_the_document_of_the_job(folder_stack: MakeUp, site: Site, schema: Schema) -> None:
    """What GET answers has at least the fields of a message."""
    job = folder_stack.run(site.url("/media/clip.mp4"))

    assert _errors(schema, folder_stack.get(f"/api/jobs/{job.job_id}").json(), "Job") == []


def test_the_events_of_a_stream(folder_stack: MakeUp, site: Site, schema: Schema) -> None:
    accepted = folder_stack.post(site.url("/media/clip.mp4"))
    data = [json.loads(line[6:]) for line in _lines(accepted["events_url"]) if line.startswith("data: ")]

    *messages, close = data
    assert _errors(schema, close, "CloseEvent") == []
    assert messages
    assert [errors for message in messages if (errors := _errors(schema, message))] == []


def test_what_is_said_on_a_socket_for_many_jobs(folder_stack: MakeUp, site: Site, schema: Schema) -> None:
    job_id = folder_stack.post(site.url("/media/clip.mp4"))["job_id"]
    said: list[dict[str, Any]] = [
        {"type": "subscribe", "jobs": {job_id: None}},
        {"type": "subscribe", "jobs": {"00000000-0000-4000-8000-00000000ffff": "9f2c41d7-12"}},
        {"type": "unsubscribe", "jobs": [job_id]},
    ]
    heard = []
    with connect(f"ws{folder_stack.url.removeprefix('http')}/ws/downloads", open_timeout=SECONDS) as socket:
        for message, answer in zip(said, ("status", "error", "unsubscribed"), strict=True):
            socket.send(json.dumps(message))
            while (told := json.loads(socket.recv(timeout=SECONDS)))["type"] != answer:
                heard.append(told)
            heard.append(told)

    assert [_errors(schema, message) for message in heard] == [[]] * len(heard)
    assert [_errors(schema, each, f"{each['type'].title()}Message") for each in said] == [[]] * len(said)
    assert _errors(schema, {"type": "ping"}) == []


def test_what_is_no_message(schema: Schema, folder_stack: MakeUp, site: Site) -> None:
    """The schema says no as well."""
    message = folder_stack.run(site.url("/media/clip.mp4")).messages[0]
    data = message["data"]

    assert _errors(schema, message) == []
    for wrong in (
        {**message, "v": 2},
        {**message, "cursor": "12"},
        {**message, "data": {**data, "status": "unknown"}},
        {**message, "data": {**data, "seq": "1"}},
        {**message, "data": {name: value for name, value in data.items() if name != "progress"}},
    ):
        assert _errors(schema, wrong) != [], wrong
