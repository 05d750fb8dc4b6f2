"""HEAD, OPTIONS and other methods at every path that the api has."""

import httpx2
import pytest

from support.answers import problem

JOB = "/api/jobs/3f2b8c1e-7d54-4a0b-9a5e-0d6c1f2e4b7a"
PATHS = {
    "/": "GET, HEAD, OPTIONS",
    "/static/progress.js": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
    "/api/schema/messages.json": "GET, HEAD, OPTIONS",
    "/api/access": "GET, HEAD, OPTIONS",
    "/api/version": "GET, HEAD, OPTIONS",
    "/api/tickets": "OPTIONS, POST",
    "/api/download": "OPTIONS, POST",
    JOB: "DELETE, GET, HEAD, OPTIONS",
    f"{JOB}/file": "GET, HEAD, OPTIONS",
    f"{JOB}/thumbnail": "GET, HEAD, OPTIONS",
    f"{JOB}/retry": "OPTIONS, POST",
    "/files/videos/x": "GET, HEAD, OPTIONS",
    "/ws/downloads": "GET, HEAD, OPTIONS",
    "/ws/download/x": "GET, HEAD, OPTIONS",
    "/sse/download/x": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize(("path", "allowed"), PATHS.items())
def test_each_path_tells_its_methods(api: httpx2.Client, path: str, allowed: str) -> None:
    options = api.options(path)
    refused = api.request("PUT", path)

    assert (options.status_code, options.headers.get("allow"), options.content) == (204, allowed, b"")
    problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == allowed


@pytest.mark.parametrize("path", [path for path, allowed in PATHS.items() if "HEAD" in allowed])
def test_head_has_the_headers_of_get(api: httpx2.Client, path: str) -> None:
    told = []
    for method in ("GET", "HEAD"):
        answer = api.request(method, path)
        changing = ("date", "traceresponse", "traceparent", "x-request-id", "content-length", "transfer-encoding")
        told.append((answer.status_code, {name: v for name, v in answer.headers.items() if name not in changing}))

    assert told[0] == told[1]
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/nowhere", "/api", "/api/jobs/x/nothing", "/static/nothing.js"])
def test_an_unknown_path(api: httpx2.Client, path: str) -> None:
    problem(api.get(path), 404, "not_found")
