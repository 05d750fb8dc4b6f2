"""Requests that are refused: each with a code, a sentence that tells what to do, and nothing left behind."""

import json
from typing import Any

import httpx2
import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from support.services import Api
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys

URLS = {
    "script": "javascript:alert(1)",
    "8 KB": "https://example.org/" + "a" * 8172,
    "credentials": "https://user:s3cr3tword@example.org/video",
    "line break": "https://example.org/video\r\nX-Header: 1",
    "surrogate": "https://example.org/\ud800",
}
"""tests/unit/api/jobs/test_url.py has each reason"""
BODIES: dict[str, tuple[Any, int, str]] = {
    "no url": ({}, 422, "invalid_url"),
    "null url": ({"url": None}, 422, "invalid_url"),
    "list": ([VIDEO], 422, "invalid_request"),
    "text": (VIDEO, 422, "invalid_request"),
    "unknown field": ({"url": VIDEO, "s3cr3tword": 1}, 422, "invalid_request"),
    "unknown in format": ({"url": VIDEO, "format": {"codec": "av1"}}, 422, "invalid_request"),
    "unknown quality": ({"url": VIDEO, "format": {"quality": "s3cr3tword"}}, 422, "invalid_request"),
    "number as quality": ({"url": VIDEO, "format": {"quality": 720}}, 422, "invalid_request"),
    "unfit container": ({"url": VIDEO, "format": {"quality": "audio", "container": "mkv"}}, 422, "invalid_request"),
    "unknown priority": ({"url": VIDEO, "priority": "s3cr3tword"}, 422, "invalid_request"),
    "unknown null": ({"url": VIDEO, "x": None}, 422, "invalid_request"),
    "text as force": ({"url": VIDEO, "force": "true"}, 422, "invalid_request"),
    "text as format": ({"url": VIDEO, "format": "mp4"}, 422, "invalid_request"),
}
BROKEN = {
    "cut": b'{"url": "https://exam',
    "not JSON": b"url=https://example.org",
    "no UTF-8": b'{"url": "\xff\xfe"}',
    "too deep": b"[" * 60_000,
    "two": b'{"url": "https://example.org/"} {}',
}


@pytest.mark.parametrize("name", URLS)
def test_an_address_that_can_not_be_downloaded_from(api: httpx2.Client, backstage: Backstage, name: str) -> None:
    content = json.dumps({"url": URLS[name]}).encode()
    answer = api.post("/api/download", content=content, headers={"Content-Type": "application/json"})

    body = problem(answer, 422, "invalid_url")
    assert [error["field"] for error in body["errors"]] == ["url"]
    assert "s3cr3tword" not in answer.text
    assert len(answer.content) < 1000
    assert backstage.size() == 0


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_another_form(api: httpx2.Client, backstage: Backstage, name: str) -> None:
    sent, status, code = BODIES[name]
    answer = api.post("/api/download", content=json.dumps(sent), headers={"Content-Type": "application/json"})

    body = problem(answer, status, code)
    assert body["errors"]
    assert "input" not in answer.text.lower().replace("input should be", "")
    assert "s3cr3tword" not in answer.text or name == "unknown field"
    assert backstage.size() == 0


def test_an_unknown_field_is_named_and_not_repeated_at_length(api: httpx2.Client) -> None:
    answer = api.post("/api/download", json={"url": VIDEO, "x" * 30_000: 1})

    body = problem(answer, 422, "invalid_request")
    assert body["errors"] == [{"field": "x" * 64, "message": "unknown field; remove it"}]


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_is_no_json(api: httpx2.Client, backstage: Backstage, name: str) -> None:
    answer = api.post("/api/download", content=BROKEN[name], headers={"Content-Type": "application/json"})

    problem(answer, 400, "invalid_json")
    assert backstage.size() == 0


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_a_body_that_is_not_declared_as_json(api: httpx2.Client, backstage: Backstage, kind: str | None) -> None:
    """A page of any origin may send these without being asked first."""
    headers = {"Content-Type": kind} if kind else {}
    answer = api.post("/api/download", content=json.dumps({"url": VIDEO}), headers=headers)

    problem(answer, 415, "unsupported_media_type")
    assert backstage.size() == 0


def test_a_charset_does_no_harm(api: httpx2.Client) -> None:
    content, kind = json.dumps({"url": VIDEO}), "Application/JSON; charset=utf-8"

    assert api.post("/api/download", content=content, headers={"Content-Type": kind}).status_code == 202


@pytest.mark.parametrize("path", ["/nowhere", "/api/jobs/", "/api/download/", "/docs", "/redoc", "/ws/x",
                                  "/static/nothing.js", "/static/../app.py", "/static/%2e%2e/app.py", "/static/",
                                  "/static/%00", "/api/%zz"])  # fmt: skip
def test_a_path_with_nothing_at_it(api: httpx2.Client, path: str) -> None:
    problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/api/download", "POST"), ("PUT", "/api/download", "POST"), ("DELETE", "/healthz", "GET, HEAD"),
     ("POST", "/static/app.js", "GET, HEAD"), ("POST", "/", "GET, HEAD"), ("PROPFIND", "/", "GET, HEAD"),
     ("PUT", "/api/jobs/x", "DELETE, GET, HEAD"), ("GET", "/api/jobs/x/retry", "POST")],
)  # fmt: skip
def test_a_method_that_the_path_does_not_take(api: httpx2.Client, method: str, path: str, allowed: str) -> None:
    answer = api.request(method, path)
    asked = api.options(path)

    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {*allowed.split(", "), "OPTIONS"}
    assert (asked.status_code, asked.content, asked.headers["allow"]) == (204, b"", answer.headers["allow"])


def test_options_of_nothing(api: httpx2.Client) -> None:
    problem(api.options("/nowhere"), 404, "not_found")


@pytest.mark.parametrize(
    "job_id", ["3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a", "x", "3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7", "*", "%0d%0a"]
)
def test_an_id_of_no_job(api: httpx2.Client, backstage: Backstage, job_id: str) -> None:
    job = f"/api/jobs/{job_id}"
    for method, path in (
        ("GET", job), ("GET", f"{job}/file"), ("GET", f"{job}/thumbnail"), ("DELETE", job), ("POST", f"{job}/retry"),
    ):  # fmt: skip
        problem(api.request(method, path), 404, "job_not_found")
    assert backstage.size() == 0


def test_what_nobody_foresaw_tells_nothing_but_a_trace(
    api: httpx2.Client, shared_api: Api, backstage: Backstage
) -> None:
    job = post(api)
    backstage.redis(lambda redis: redis.hdel(keys.JOB + job["job_id"], "state"))

    answer = api.get(job["status_url"])

    trace = answer.headers["traceresponse"].split("-")[1]
    assert trace in problem(answer, 500, "internal")["detail"]
    assert "KeyError" not in answer.text
    [entry] = shared_api.wait_for(level="error", trace_id=trace)
    assert "KeyError" in entry["exception"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_redis_refusing_is_redis_away(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app()
    job = post(client)
    key = keys.JOB + job["job_id"]
    backstage.redis(lambda redis: redis.set(key, b"of another type"))

    problem(client.get(job["status_url"]), 503, "redis_unavailable")
