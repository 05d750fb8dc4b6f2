"""The document of a job: the tickets in it, and what an older release has not written."""

import copy
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from support.answers import post
from support.backstage import Backstage
from support.tickets import signer
from vidferry_api.jobs.document import add_tickets
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure
from vidferry_common.contract.tickets import Purpose

JOB = "6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"
ROOT = "https://host.example/below"
DOCUMENT: dict[str, Any] = {
    "job_id": JOB,
    "url": f"{ROOT}/api/jobs/{JOB}/file",
    "status_url": f"{ROOT}/api/jobs/{JOB}",
    "ws_url": f"wss://host.example/below/ws/download/{JOB}",
    "events_url": f"{ROOT}/sse/download/{JOB}",
    "thumbnail": f"{ROOT}/api/jobs/{JOB}/thumbnail",
    "result": {"url": f"{ROOT}/files/x?signature=y", "file_url": f"{ROOT}/api/jobs/{JOB}/file"},
    "metadata": {"ws_url": f"wss://evil.example/ws/download/{JOB}", "result": {"file_url": "https://evil.example/"}},
}


def ticket_in(link: str) -> str:
    (ticket,) = parse_qs(urlsplit(link).query)["ticket"]
    return ticket


def test_each_link_gets_the_ticket_of_its_purpose() -> None:
    before = copy.deepcopy(DOCUMENT)
    found = add_tickets(DOCUMENT, signer())

    links = {
        found["ws_url"]: Purpose.WATCH, found["events_url"]: Purpose.WATCH, found["thumbnail"]: Purpose.READ,
        found["result"]["file_url"]: Purpose.READ,
    }  # fmt: skip
    for link, purpose in links.items():
        signer().check_job_ticket(ticket_in(link), purpose, JOB, time.time())
    assert before == DOCUMENT, "what was read stays as it is"
    changed = {"ws_url", "events_url", "thumbnail", "result"}
    assert {name for name in found if found[name] != before[name]} == changed
    assert found["result"]["url"] == before["result"]["url"]


@pytest.mark.parametrize("missing", [{"thumbnail": None}, {"result": None}, {"thumbnail": None, "result": {}}])
def test_a_job_that_has_no_file_yet(missing: dict[str, Any]) -> None:
    found = add_tickets({**DOCUMENT, **missing}, signer())
    assert {name: found[name] for name in missing} == missing
    assert ticket_in(found["ws_url"])


def test_open_access_changes_nothing() -> None:
    assert add_tickets(DOCUMENT, None) is DOCUMENT


def test_an_error_of_the_release_before_has_what_it_lacks_as_null(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    backstage.fail(job["job_id"], ErrorCode.PRIVATE)
    record = f"{keys.JOB}{job['job_id']}"

    async def forget_fields(redis: Any) -> None:
        state: bytes = await redis.hget(record, "state")
        await redis.hset(record, "state", state.replace(b',"site":null,"yt_dlp_version":null', b""))

    backstage.redis(forget_fields)
    shown = api.get(job["status_url"]).json()["error"]
    assert shown == asdict(Failure.of(ErrorCode.PRIVATE))
