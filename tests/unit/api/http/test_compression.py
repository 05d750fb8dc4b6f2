"""gzip on what the api makes itself, and on nothing else."""

import gzip

import httpx2
import pytest

from support.answers import post
from support.backstage import Backstage
from support.services import Api
from vidferry_api.http.compression import MIN_BYTES, accepts_gzip

LONG = "https://example.org/" + "v" * MIN_BYTES


def _raw(api: Api, path: str, method: str = "GET", **headers: str) -> tuple[int, httpx2.Headers, bytes]:
    """The response as it is on the wire: httpx2 would decode it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with (
        httpx2.Client(headers={"Accept-Encoding": "gzip"}) as client,
        client.stream(method, api.url + path, headers=named) as response,
    ):
        return response.status_code, response.headers, b"".join(response.iter_raw())


def _job_path(api: httpx2.Client) -> str:
    return f"/api/jobs/{post(api, LONG)['job_id']}"


def test_a_document_is_compressed(api: httpx2.Client, shared_api: Api) -> None:
    path = _job_path(api)
    _, plain_headers, plain = _raw(shared_api, path, accept_encoding="identity")
    status, headers, compressed = _raw(shared_api, path)

    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert int(headers["content-length"]) == len(compressed) < len(plain)
    assert gzip.decompress(compressed) == plain
    assert "content-encoding" not in plain_headers
    assert plain_headers["vary"] == "Accept-Encoding", "a cache must not give it to the others either"
    assert headers["etag"] == f"W/{plain_headers['etag']}", "other bytes of the same meaning"


def test_each_etag_is_current_until_the_job_changes(api: httpx2.Client, shared_api: Api) -> None:
    path = _job_path(api)
    for encoding in ("gzip", "identity"):
        etag = _raw(shared_api, path, accept_encoding=encoding)[1]["etag"]
        status, headers, _ = _raw(shared_api, path, accept_encoding=encoding, if_none_match=etag)
        assert (status, headers["etag"]) == (304, etag), "the one that the client has stored"
    api.delete(path)
    assert _raw(shared_api, path, if_none_match=etag)[0] == 200


def test_head_is_answered_as_get_is(api: httpx2.Client, shared_api: Api) -> None:
    for path in (_job_path(api), "/openapi.json", "/static/progress.js"):
        told = [
            {name: headers.get(name) for name in ("content-encoding", "etag", "vary", "content-type")}
            for _, headers, _ in (_raw(shared_api, path), _raw(shared_api, path, "HEAD"))
        ]
        assert told[0] == told[1], path
        assert told[0]["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/static/progress.js", "/api/schema/messages.json"])
def test_the_page_and_the_schemas_are_compressed(shared_api: Api, path: str) -> None:
    _, headers, compressed = _raw(shared_api, path)

    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed) == _raw(shared_api, path, accept_encoding="identity")[2]


def test_what_is_short_is_not(api: httpx2.Client, shared_api: Api) -> None:
    for path in ("/healthz", "/api/jobs/x"):
        _, headers, _ = _raw(shared_api, path)
        assert "content-encoding" not in headers
        assert headers["vary"] == "Accept-Encoding"


def test_a_request_of_another_sites_page_is_answered_without(shared_api: Api) -> None:
    assert "content-encoding" not in _raw(shared_api, "/openapi.json", sec_fetch_site="cross-site")[1]
    assert "content-encoding" in _raw(shared_api, "/openapi.json", sec_fetch_site="same-origin")[1]


def test_a_range_is_of_the_plain_bytes(shared_api: Api) -> None:
    plain = _raw(shared_api, "/static/progress.js", accept_encoding="identity")[2]
    status, headers, part = _raw(shared_api, "/static/progress.js", range="bytes=10-2009")

    assert (status, part) == (206, plain[10:2010])
    assert "content-encoding" not in headers


def test_a_stored_file_is_sent_as_it_is(shared_api: Api, backstage: Backstage) -> None:
    """Also one of text: a signed link's lengths and ranges are those of the stored bytes."""
    content = b'{"title": "x"}' * MIN_BYTES
    stored = backstage.put("videos/test/example.org/text/info", content, "application/json")
    _, headers, sent = _raw(shared_api, backstage.sign(stored).url)

    assert sent == content
    assert headers["content-type"] == "application/json"
    assert "content-encoding" not in headers
    assert headers["etag"] == f'"{stored.version}"'


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("GZIP;q=0.5", True), ("*", True), ("br, *;q=0.1", True),
        ("x-gzip", True), ("", False), ("br", False), ("gzip;q=0", False), ("*, gzip;q=0", False), ("*;q=0", False),
        ("gzip;q=x", False), ("identity", False),
    ],
)  # fmt: skip
def test_who_accepts_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
