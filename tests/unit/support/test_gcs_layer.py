"""The checking layer itself: each rule refuses its violation, and only the rule does."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import google_crc32c
import pytest

from support.gcs import Gcs
from support.gcs_rules import Rules

UNIT = 256 * 1024
ON_AND_OFF = pytest.mark.parametrize("on", [True, False], ids=["on", "off"])


class Client:
    """Plain HTTP, so that nothing corrects what is wrong on purpose."""

    def __init__(self, gcs: Gcs) -> None:
        self._gcs = gcs
        self._opener: OpenerDirector = build_opener(ProxyHandler({}))
        self._token = gcs.layer.account.new_token()
        self.objects = f"/storage/v1/b/{gcs.bucket}/o"

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        named.setdefault("Authorization", f"Bearer {self._token}")
        url = url if url.startswith("http") else self._gcs.endpoint + url
        try:
            with self._opener.open(Request(url, body or None, named, method=method), timeout=30) as reply:
                return reply.status, dict(reply.headers), reply.read()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def begin(self, name: str = "film", query: str = "", **resource: str) -> tuple[int, str]:
        body = json.dumps({"name": name, **resource}).encode()
        url = f"/upload/storage/v1/b/{self._gcs.bucket}/o?uploadType=resumable{query}"
        status, headers, _ = self.call("POST", url, body, Content_Type="application/json")
        return status, headers.get("Location", "")

    def chunk(
        self, session: str, body: bytes, start: int, total: str, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        return self.call(
            "PUT", session, body, Content_Range=f"bytes {start}-{start + len(body) - 1}/{total}", **headers
        )

    def put(self, body: bytes, name: str = "film", query: str = "", goog_hash: str = "", **resource: str) -> int:
        status, session = self.begin(name, query, **resource)
        headers = {"X_Goog_Hash": goog_hash} if goog_hash else {}
        return self.chunk(session, body, 0, str(len(body)), **headers)[0] if status == 200 else status

    def stored(self, name: str = "film") -> bytes | None:
        status, _, body = self.call("GET", f"/download{self.objects}/{name}?alt=media")
        return body if status == 200 else None

    def generation(self, name: str = "film") -> str:
        return str(json.loads(self.call("GET", f"{self.objects}/{name}")[2])["generation"])


@pytest.fixture
def client(gcs: Gcs) -> Client:
    return Client(gcs)


@pytest.fixture
def rule(gcs: Gcs, on: bool) -> Callable[[str], None]:
    def switch(name: str) -> None:
        assert getattr(Rules(), name) is True
        setattr(gcs.layer.rules, name, on)

    return switch


@ON_AND_OFF
@pytest.mark.parametrize("authorization", ["", "Bearer made-up", "Bearer a.b.c"])
def test_authentication(client: Client, rule: Callable[[str], None], on: bool, authorization: str) -> None:
    rule("authentication")
    assert client.call("GET", client.objects, Authorization=authorization)[0] == (401 if on else 200)
    assert client.call("GET", client.objects)[0] == 200


@ON_AND_OFF
@pytest.mark.parametrize("where", ["header", "metadata"])
def test_checksums(client: Client, rule: Callable[[str], None], on: bool, where: str) -> None:
    rule("checksums")
    right, wrong = (base64.b64encode(google_crc32c.value(body).to_bytes(4, "big")).decode() for body in (b"film", b"x"))

    def put(name: str, crc32c: str) -> int:
        if where == "header":
            return client.put(b"film", name, goog_hash=f"crc32c={crc32c}")
        return client.put(b"film", name, crc32c=crc32c)

    assert put("good", right) == 200
    assert put("bad", wrong) == (400 if on else 200)
    assert client.stored("bad") == (None if on else b"film")


@ON_AND_OFF
def test_a_chunk_sent_again_is_kept_once(client: Client, rule: Callable[[str], None], on: bool) -> None:
    rule("chunks")
    first, last = b"a" * UNIT, b"b"
    _, session = client.begin()
    total = str(UNIT + 1)
    for _ in range(2):
        assert client.chunk(session, first, 0, total)[0] == 308
    assert client.chunk(session, last, UNIT, total)[0] == 200
    assert client.stored() == (first + last if on else first + first + last)


@ON_AND_OFF
@pytest.mark.parametrize(("start", "length"), [(0, 1000), (UNIT, UNIT)], ids=["odd", "gap"])
def test_odd_chunks_and_gaps(client: Client, rule: Callable[[str], None], on: bool, start: int, length: int) -> None:
    rule("chunks")
    _, session = client.begin()
    assert client.chunk(session, b"a" * length, start, str(4 * UNIT))[0] == (400 if on else 308)


@ON_AND_OFF
def test_a_status_query_does_not_finish(client: Client, rule: Callable[[str], None], on: bool) -> None:
    rule("status_queries")
    _, session = client.begin()
    status, headers, _ = client.call("PUT", session, Content_Range="bytes */*")
    assert (status, "Range" in headers) == (308, False)
    client.chunk(session, b"a" * UNIT, 0, str(UNIT + 1))
    status, headers, _ = client.call("PUT", session, Content_Range=f"bytes */{UNIT + 1}")
    assert status == (308 if on else 200)
    assert headers.get("Range") == (f"bytes=0-{UNIT - 1}" if on else None)
    assert client.stored() == (None if on else b"a" * UNIT)


@ON_AND_OFF
@pytest.mark.parametrize("wanted", ["0", "7"])
def test_preconditions_when_an_upload_begins(
    client: Client, rule: Callable[[str], None], on: bool, wanted: str
) -> None:
    rule("preconditions")
    assert client.put(b"first") == 200
    assert client.put(b"second", query=f"&ifGenerationMatch={wanted}") == (412 if on else 200)
    assert client.stored() == (b"first" if on else b"second")
    assert client.put(b"third", query=f"&ifGenerationMatch={client.generation()}") == 200


@ON_AND_OFF
def test_preconditions_when_an_upload_ends(client: Client, rule: Callable[[str], None], on: bool) -> None:
    rule("preconditions")
    _, session = client.begin(query="&ifGenerationMatch=0")
    assert client.put(b"first") == 200
    assert client.chunk(session, b"second", 0, "6")[0] == (412 if on else 200)
    assert client.stored() == (b"first" if on else b"second")


@ON_AND_OFF
def test_preconditions_of_a_deletion(client: Client, rule: Callable[[str], None], on: bool) -> None:
    rule("preconditions")
    client.put(b"film")
    assert client.call("DELETE", f"{client.objects}/film?ifGenerationMatch=7")[0] == (412 if on else 200)
    assert client.stored() == (b"film" if on else None)


def _signed(gcs: Gcs, *, began: datetime | None = None, lifetime: int = 60, host: str = "") -> str:
    """A link made by hand after the documentation, not by the library under test."""
    stamp = (began or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/auto/storage/goog4_request"
    query = {
        "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
        "X-Goog-Credential": f"{gcs.layer.account.email}/{scope}",
        "X-Goog-Date": stamp,
        "X-Goog-Expires": str(lifetime),
        "X-Goog-SignedHeaders": "host",
    }
    text = "&".join(f"{key}={quote(value, safe='~')}" for key, value in sorted(query.items()))
    path = f"/{gcs.bucket}/film"
    host = host or gcs.endpoint.removeprefix("http://")
    canonical = f"GET\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    message = f"GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return f"{gcs.endpoint}{path}?{text}&X-Goog-Signature={gcs.layer.account.sign(message.encode()).hex()}"


@ON_AND_OFF
def test_signatures(client: Client, gcs: Gcs, rule: Callable[[str], None], on: bool) -> None:
    rule("signatures")
    client.put(b"film")
    assert client.call("GET", _signed(gcs), Authorization="")[::2] == (200, b"film")
    assert client.call("GET", _signed(gcs, host="elsewhere"))[0] == (403 if on else 200)
    assert client.call("GET", _signed(gcs).replace("X-Goog-Expires=60", "X-Goog-Expires=61"))[0] == (403 if on else 200)
    assert client.call("HEAD", _signed(gcs))[0] == (403 if on else 200)


@ON_AND_OFF
def test_expiry(client: Client, gcs: Gcs, rule: Callable[[str], None], on: bool) -> None:
    rule("expiry")
    client.put(b"film")
    assert client.call("GET", _signed(gcs, began=datetime.now(UTC) - timedelta(seconds=61)))[0] == (400 if on else 200)
    assert client.call("GET", _signed(gcs, lifetime=604801))[0] == (400 if on else 200)
    assert client.call("GET", _signed(gcs, lifetime=604800))[0] == 200


def test_a_link_without_signature_is_refused(client: Client, gcs: Gcs) -> None:
    client.put(b"film")
    assert client.call("GET", f"/{gcs.bucket}/film")[0] == 403


def test_what_an_aborted_session_held_is_gone(client: Client) -> None:
    _, session = client.begin()
    client.chunk(session, b"a" * UNIT, 0, str(UNIT + 1))
    assert client.call("DELETE", session)[0] == 499
    assert client.chunk(session, b"b", UNIT, str(UNIT + 1))[0] == 404
    assert client.stored() is None
