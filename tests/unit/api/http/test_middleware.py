"""The middleware: the log's line for a request, what that must not say, the bound of a body, the public URL's path."""

import json
import socket
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from support.services import Api
from unit.api.conftest import OpenApp


def test_a_line_for_each_request(api: httpx2.Client, shared_api: Api) -> None:
    trace = uuid4().hex
    answer = api.post("/api/nothing", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    job = post(api, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    api.get(job["status_url"], headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})

    lines = shared_api.wait_for("request", 3, trace_id=trace)
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "", 404),
        ("POST", "/api/download", 202),
        ("GET", "/api/jobs/{job_id}", 200),
    ]
    assert all(line["ms"] >= 0 and line["service"] == "api" and line["level"] == "info" for line in lines)
    assert [line.get("job_id") for line in lines] == [None, None, job["job_id"]]
    [accepted] = shared_api.wait_for("job accepted", job_id=job["job_id"])
    assert (accepted["trace_id"], accepted["outcome"], accepted["kind"]) == (trace, "created", "download")
    assert answer.headers["traceresponse"].split("-")[1] == trace


def test_a_signed_link_is_never_told(api: httpx2.Client, shared_api: Api, backstage: Backstage) -> None:
    link = backstage.sign(backstage.put(f"videos/log/{uuid4()}", b"0123456789")).url
    api.get(link)
    refused = api.get(link.replace("signature=v1.", "signature=v1.X"))

    trace = refused.headers["traceresponse"].split("-")[1]
    [line] = shared_api.wait_for("request", trace_id=trace)
    assert (line["route"], line["status"]) == ("/files/{name:path}", 403)
    assert link.partition("signature=")[2] not in shared_api.log
    assert "signature=" not in shared_api.log


def test_an_address_is_not_told_either(api: httpx2.Client, shared_api: Api) -> None:
    job = post(api, "https://example.org/?secret=s3cr3tword")

    shared_api.wait_for("job accepted", job_id=job["job_id"])

    assert "s3cr3tword" not in shared_api.log


def test_probes_are_quiet(api: httpx2.Client, shared_api: Api) -> None:
    api.get("/healthz")
    job = post(api)
    shared_api.wait_for("job accepted", job_id=job["job_id"])  # later than the probe's line would be

    assert shared_api.logged(route="/healthz") == []
    assert all(line.startswith("{") for line in shared_api.log.splitlines())


def _big(size: int) -> bytes:
    return json.dumps({"url": VIDEO, "x": "a" * size}).encode()


def _pieces(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 16_384):
        yield content[at : at + 16_384]


@pytest.mark.parametrize(
    ("size", "chunked", "path"),
    [(64 * 1024, False, "/api/download"), (64 * 1024, True, "/api/download"), (2 * 1024**2, False, "/nowhere")],
)  # fmt: skip
def test_a_body_that_is_too_large(
    api: httpx2.Client, backstage: Backstage, size: int, chunked: bool, path: str
) -> None:
    """The whole body is sent, and the answer is read all the same; the connection can be used again."""
    content = _pieces(_big(size)) if chunked else _big(size)
    answer = api.post(path, content=content, headers={"Content-Type": "application/json"})

    problem(answer, 413, "body_too_large")
    assert backstage.size() == 0
    assert api.get("/healthz").status_code == 200


def test_a_body_that_nobody_asks_for(api: httpx2.Client) -> None:
    """It is not bounded, since it is not read; the connection can be used again."""
    problem(api.post("/nowhere", content=_pieces(_big(2 * 1024**2))), 404, "not_found")
    assert api.get("/healthz").status_code == 200


def test_a_body_of_the_largest_size_is_read(api: httpx2.Client) -> None:
    content = json.dumps({"url": VIDEO}).encode().ljust(64 * 1024)

    for sent in (content, _pieces(content)):
        answer = api.post("/api/download", content=sent, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202


def test_a_large_body_is_refused_by_its_length_alone(shared_api: Api, backstage: Backstage) -> None:
    with socket.create_connection(("127.0.0.1", httpx2.URL(shared_api.url).port or 0), timeout=20) as client:
        client.sendall(b"POST /api/download HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n{")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/healthz", "/openapi.json"])
def test_below_a_path_whether_the_proxy_takes_it_off_or_not(open_app: OpenApp, path: str) -> None:
    client = open_app(public_url="https://media.example.org/videos")

    assert client.get(path).status_code == client.get(f"/videos{path}").status_code == 200
    assert client.get(path).content == client.get(f"/videos{path}").content


def test_the_page_is_at_the_paths_folder(open_app: OpenApp) -> None:
    client = open_app(public_url="https://media.example.org/videos")

    answer = client.get("/videos")
    assert (answer.status_code, answer.headers["location"]) == (308, "/videos/")
    problem(client.get("/videosx"), 404, "not_found")


def test_a_path_that_is_the_apis_own_is_the_proxys_to_take_off(open_app: OpenApp) -> None:
    client = open_app(public_url="https://media.example.org/api")

    assert client.post("/api/download", json={"url": VIDEO}).status_code == 202
