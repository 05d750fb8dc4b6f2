"""yt-dlp's requests as a browser's, against a real server, over HTTP/2 and HTTP/1.1."""

import gc
import gzip
import random
import weakref
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import certifi
import pytest
from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Request
from yt_dlp.networking.exceptions import HTTPError, NoSupportingHandlers, RequestError, TransportError

from support.children import open_files
from support.impersonation import Broker, as_browser, open_sockets
from support.origin import media
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import Body, Reply, text
from support.tls import self_signed
from support.tls_origin import CHROME, TlsOrigin
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import cookies
from vidferry_worker.child.channel import ConnectTimedOut, ForbiddenAddress
from vidferry_worker.child.classify import classify_error
from vidferry_worker.child.error_chain import is_timeout
from vidferry_worker.child.impersonation.connection import Connection
from vidferry_worker.child.impersonation.pool import MAX_IDLE
from vidferry_worker.child.impersonation.redirects import MAX_REDIRECTS
from vidferry_worker.children.protocol import Cookie

SECRET = "a-long-secret"
MIB = 1024**2
THREADS = 4


@pytest.fixture
def site(tls_origin: TlsOrigin) -> Site:
    return tls_origin.site()


def failure_of(ydl: YoutubeDL, request: Request) -> Exception:
    """What a request, or the reading of its response, fails with."""
    with pytest.raises((TransportError, HTTPError, JobFailure)) as raised:
        ydl.urlopen(request).read()
    error: Exception = raised.value
    return error


def failure_of_opening(ydl: YoutubeDL, request: Request) -> Exception:
    """What a request fails with, whose response nobody reads."""
    with pytest.raises(HTTPError) as raised:
        ydl.urlopen(request)
    error: Exception = raised.value
    return error


def code_of(ydl: YoutubeDL, request: Request) -> ErrorCode:
    return classify_error(failure_of(ydl, request))


def idle_connections(ydl: YoutubeDL) -> list[Connection]:
    return list(ydl._request_director.handlers["BrokeredCurlCFFI"]._pool._idle)


# What a site sees.


def test_it_speaks_as_chrome_does(ydl: YoutubeDL, site: Site, tls_origin: TlsOrigin) -> None:
    assert ydl.urlopen(as_browser(site.url("/thumb.jpg"))).read() == media.read("thumb.jpg")

    client = tls_origin.clients[-1]
    if client.http2:
        assert client.ja4.startswith(CHROME[0])
        assert client.http2 == CHROME[1]
    assert "Chrome/" in client.requests[0]["user-agent"]
    assert "Google Chrome" in client.requests[0]["sec-ch-ua"]
    assert client.requests[0]["accept-encoding"] == "gzip, deflate, br, zstd"


def test_a_request_that_impersonates_nobody_is_not_its(ydl: YoutubeDL, site: Site, broker: Broker) -> None:
    handlers = ydl._request_director.handlers
    for name in [each for each in handlers if each != "BrokeredCurlCFFI"]:
        del handlers[name]

    with pytest.raises(NoSupportingHandlers):
        ydl.urlopen(Request(site.url("/thumb.jpg")))
    assert broker.asked == []


def test_an_extractors_headers_and_body_are_sent(ydl: YoutubeDL, site: Site) -> None:
    url = site.put("/form", text("taken"))

    answer = ydl.urlopen(as_browser(url, data=b"a=1&b=\0", headers={"X-Own": "yes", "User-Agent": "Own/1"}))

    assert answer.read() == b"taken"
    (asked,) = site.requests("/form")
    assert (asked.method, asked.headers["content-length"]) == ("POST", "7")
    assert (asked.headers["x-own"], asked.headers["user-agent"]) == ("yes", "Own/1")
    assert "expect" not in asked.headers


@pytest.mark.parametrize("path", ["/a%2fb%2F%c3%A9?x=%2f&y=a b", "/a?", "/?a=/../b", "/a;b=c,d~e(f)!g"])
def test_a_urls_path_is_sent_as_by_the_plain_handler(path: str, ydl: YoutubeDL, site: Site) -> None:
    url = site.url(path)
    for request in (as_browser(url), Request(url)):
        with pytest.raises(HTTPError):
            ydl.urlopen(request)
    browsers, plain = site.requests()
    assert browsers.target == plain.target


@pytest.mark.parametrize("name", ["X-Own", "Cookie"])
def test_a_header_makes_no_other_header(name: str, ydl: YoutubeDL, site: Site, broker: Broker) -> None:
    with pytest.raises(Exception, match="invalid header"):
        ydl.urlopen(as_browser(site.url("/thumb.jpg"), headers={name: "a=b\r\nX-Other: b"}))
    assert broker.asked == []


def test_head_reads_no_body(ydl: YoutubeDL, site: Site) -> None:
    answer = ydl.urlopen(as_browser(site.url("/media/clip.mp4"), method="HEAD"))

    assert (answer.read(), int(answer.headers["Content-Length"])) == (b"", media.CLIP_BYTES)
    assert ydl.urlopen(as_browser(site.url("/thumb.jpg"))).read() == media.read("thumb.jpg")


# Redirects and cookies.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_sites_secrets_stay_on_it(
    status: int, ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin
) -> None:
    """Each hop is asked for at the broker, and gets the cookies of its own host."""
    broker.places["other.sites.test", 443] = ("127.0.0.1", tls_origin.port)
    cookies.put_into_jar(ydl.cookiejar, [Cookie("127.0.0.1", "/", True, None, "sid", SECRET)])
    elsewhere = tls_origin.site()
    path = elsewhere.url("/end").removeprefix(tls_origin.address)
    elsewhere.put("/end", Reply(200, {"Content-Length": "0", "Set-Cookie": "theirs=1"}))
    onward = site.put("/onward", Reply(status, {"Location": f"https://other.sites.test{path}", "Content-Length": "0"}))
    start = site.put("/start", Reply(status, {"Location": onward, "Content-Length": "0", "Set-Cookie": "set=1"}))
    headers = {"X-CSRFToken": SECRET, "Authorization": f"Bearer {SECRET}", "X-Kept": "yes"}

    answer = ydl.urlopen(as_browser(start, headers=headers))

    assert answer.url == f"https://other.sites.test{path}"
    assert broker.asked == [("127.0.0.1", tls_origin.port), ("other.sites.test", 443)]
    assert [f"sid={SECRET}" in each.headers["cookie"] for each in site.requests()] == [True, True]
    assert "set=1" in site.requests("/onward")[0].headers["cookie"]
    (asked,) = elsewhere.requests()
    assert SECRET not in str(asked.headers)
    assert "cookie" not in asked.headers
    assert asked.headers["x-kept"] == "yes"
    assert ydl.cookiejar.get_cookie_header(f"https://other.sites.test{path}") == "theirs=1"
    assert ydl.cookiejar.get_cookie_header("https://third.sites.test/") is None


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirect_keeps_or_drops_the_body(status: int, method: str, ydl: YoutubeDL, site: Site) -> None:
    end = site.put("/end", text("there"))
    start = site.put("/start", Reply(status, {"Location": "end", "Content-Length": "0"}))

    assert ydl.urlopen(as_browser(start, data=b"a=1")).read() == b"there"
    (asked,) = site.requests("/end")
    assert (asked.method, "content-length" in asked.headers) == (method, method == "POST")
    assert end.endswith(asked.path)


def test_redirects_end(ydl: YoutubeDL, site: Site) -> None:
    url = site.put("/loop", Reply(302, {"Location": "loop", "Content-Length": "0"}))

    error = failure_of(ydl, as_browser(url))

    assert isinstance(error, HTTPError)
    assert error.redirect_loop
    assert len(site.requests()) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:text/plain,a", "gopher://127.0.0.1/"])
def test_a_redirect_leads_to_no_other_scheme(
    to: str, ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin
) -> None:
    url = site.put("/away", Reply(302, {"Location": to, "Content-Length": "0"}))

    with pytest.raises(Exception) as raised:  # noqa: PT011 - what counts is its code
        ydl.urlopen(as_browser(url))
    assert classify_error(raised.value) is ErrorCode.UNSUPPORTED_STREAM
    assert broker.asked == [("127.0.0.1", tls_origin.port)]


@pytest.mark.parametrize("to", ["https://", "https://[::1/", "https://a:99999/", "https://a:b/", "//"])
def test_a_redirect_to_an_invalid_url_is_told(to: str, ydl: YoutubeDL, site: Site) -> None:
    url = site.put("/away", Reply(302, {"Location": to, "Content-Length": "0"}))

    with pytest.raises(RequestError):
        ydl.urlopen(as_browser(url))


def test_a_redirects_url_is_bounded(ydl: YoutubeDL, site: Site) -> None:
    url = site.put("/away", Reply(302, {"Location": "/" + "a" * 40_000, "Content-Length": "0"}))

    assert code_of(ydl, as_browser(url)) is ErrorCode.UNSUPPORTED_STREAM


# Connections.


def test_a_connection_serves_the_next_request(
    ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin
) -> None:
    """By a name too, for which libcurl would ask a name server whether there are keys for an encrypted ClientHello."""
    broker.places["a.sites.test", 443] = ("127.0.0.1", tls_origin.port)
    path = site.url("/thumb.jpg").removeprefix(tls_origin.address)
    for number in range(12):
        ydl._request_director.handlers["BrokeredCurlCFFI"].close()
        for _ in range(2):
            assert ydl.urlopen(as_browser(f"https://a.sites.test{path}")).read()
        assert len(broker.asked) == number + 1


def test_one_that_the_site_has_closed_is_replaced(
    ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin
) -> None:
    tls_origin.requests_per_connection = 2
    for _ in range(9):
        assert ydl.urlopen(as_browser(site.url("/thumb.jpg"))).read()
    assert len(broker.asked) == 5


def test_one_host_never_answers_for_another(
    ydl: YoutubeDL, broker: Broker, tls_origin: TlsOrigin, tmp_path: Path
) -> None:
    """Though the certificate is good for both, as for the hosts that HTTP/2 lets share a connection."""
    with TlsOrigin(tmp_path, "127.0.0.2") as other:
        other._context.load_cert_chain(tls_origin.certificate)
        broker.places = {
            ("a.sites.test", 443): ("127.0.0.1", tls_origin.port),
            ("b.sites.test", 443): ("127.0.0.2", other.port),
        }
        tls_origin.root.put("/who", text("a"))
        other.root.put("/who", text("b"))
        for name in "abab":
            assert ydl.urlopen(as_browser(f"https://{name}.sites.test/who")).read() == name.encode()
    assert broker.asked == [("a.sites.test", 443), ("b.sites.test", 443)]
    assert len(idle_connections(ydl)) == 2


def test_threads_disturb_each_other_never(ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin) -> None:
    """Requests, redirects, and responses that are given up amid, on connections that the site closes now and then.

    Each socket is closed in the end.
    """
    tls_origin.requests_per_connection = 4
    body = random.Random(0).randbytes(300_000)
    for number in range(THREADS):
        site.put(f"/{number}", Reply(200, {}, Body(number.to_bytes(4) + body)))
        site.put(f"/to/{number}", Reply(302, {"Location": f"../{number}", "Content-Length": "0"}))

    def run(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            answer = ydl.urlopen(as_browser(site.url(chance.choice(["/", "/to/"]) + str(number))))
            if chance.random() < 0.2:
                assert answer.read(4) == number.to_bytes(4)
                answer.close()
            else:
                assert answer.read() == number.to_bytes(4) + body

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))
    ydl.close()
    assert broker.sockets
    assert not broker.sockets & open_sockets()


def test_a_response_that_is_garbage_in_a_cycle_leaves_nothing_open(ydl: YoutubeDL, site: Site, broker: Broker) -> None:
    """An error often is: Python then ends the objects of a connection in any order."""

    def eventfds() -> int:
        return [*open_files().values()].count("anon_inode:[eventfd]")

    before = eventfds()

    def forget_an_error() -> None:
        cycle: list[object] = [failure_of_opening(ydl, as_browser(site.url("/status/403")))]
        cycle.append(cycle)

    for _ in range(3):
        forget_an_error()
    gc.collect()
    assert len(broker.asked) == 3
    assert not broker.sockets & open_sockets()
    assert eventfds() == before


def test_a_closed_connection_keeps_no_body(ydl: YoutubeDL, site: Site) -> None:
    """Nor is it garbage in a cycle, which Python may leave alone for long."""
    answer = ydl.urlopen(as_browser(site.url("/media/clip.mp4")))
    answer.read(1000)
    connection = weakref.ref(answer.fp._connection)
    gc.disable()
    try:
        answer.close()
        assert connection() is None
    finally:
        gc.enable()


def test_few_idle_connections_are_kept(ydl: YoutubeDL, site: Site) -> None:
    answers = [ydl.urlopen(as_browser(site.url("/thumb.jpg"))) for _ in range(MAX_IDLE + 3)]
    for each in answers:
        each.read()
    assert len(idle_connections(ydl)) == MAX_IDLE


# What goes wrong.


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (ForbiddenAddress("downloads may not reach that address"), ErrorCode.FORBIDDEN_ADDRESS),
        (ConnectTimedOut("the connection timed out"), ErrorCode.NETWORK),
        (OSError("could not connect"), ErrorCode.NETWORK),
    ],
)
def test_a_refusal_of_the_broker_is_told(
    refusal: Exception, code: ErrorCode, ydl: YoutubeDL, site: Site, broker: Broker
) -> None:
    broker.refusal = refusal

    assert code_of(ydl, as_browser(site.url("/thumb.jpg"))) is code
    assert len(broker.asked) == 1


def test_an_unknown_certificate_is_refused(
    ydl: YoutubeDL, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = self_signed(tmp_path, "other")
    monkeypatch.setattr(certifi, "where", lambda: str(other))

    assert code_of(ydl, as_browser(site.url("/thumb.jpg"))) is ErrorCode.CERTIFICATE_INVALID
    assert site.requests() == []


def test_a_certificate_of_another_host_is_refused(
    ydl: YoutubeDL, site: Site, broker: Broker, tls_origin: TlsOrigin
) -> None:
    broker.places["a.invalid", 443] = ("127.0.0.1", tls_origin.port)

    assert code_of(ydl, as_browser("https://a.invalid/thumb.jpg")) is ErrorCode.CERTIFICATE_INVALID


def test_what_speaks_no_tls_is_told_as_by_the_plain_handler(ydl: YoutubeDL, origin: Origin) -> None:
    url = f"https://127.0.0.1:{origin.port}/thumb.jpg"

    assert code_of(ydl, as_browser(url)) is code_of(ydl, Request(url))


@pytest.mark.parametrize("status", [401, 403, 404, 410, 416, 429, 451, 500, 503])
def test_a_status_is_told(status: int, ydl: YoutubeDL, site: Site) -> None:
    error = failure_of(ydl, as_browser(site.url(f"/status/{status}?after=7")))

    assert isinstance(error, HTTPError)
    assert error.status == status
    if status in {429, 503}:
        assert error.response.headers["Retry-After"] == "7"
    assert error.response.read() is not None


@pytest.mark.parametrize("how", ["cut_by_reset", "cut"])
@pytest.mark.parametrize("size", [None, 1000])
def test_a_truncated_body_is_not_complete(how: str, size: int | None, ydl: YoutubeDL, site: Site) -> None:
    """What came before the end is read first."""
    body = Body(b"x" * 100_000, cut_at=50_000, cut_by_reset=how == "cut_by_reset")
    answer = ydl.urlopen(as_browser(site.put("/cut", Reply(200, {"Content-Length": "100000"}, body))))
    came = 0

    with pytest.raises(TransportError) as raised:  # noqa: PT012 - any read of them
        while data := answer.read(size):
            came += len(data)

    assert came == (50_000 if size else 0)
    assert classify_error(raised.value) is ErrorCode.NETWORK


def test_a_range_is_requested_and_told(ydl: YoutubeDL, site: Site) -> None:
    answer = ydl.urlopen(as_browser(site.url("/media/clip.mp4"), headers={"Range": "bytes=10-19"}))

    assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 10-19/{media.CLIP_BYTES}")
    assert answer.read() == media.read("clip.mp4")[10:20]


def test_a_site_that_sends_nothing_is_left_in_time(ydl: YoutubeDL, site: Site) -> None:
    error = failure_of(ydl, as_browser(site.put("/slow", Reply(200, {}, Body(b"x" * 2000, rate=0.02))), timeout=1))

    assert is_timeout(error)
    assert classify_error(error) is ErrorCode.STALLED


def test_a_slow_body_is_read_as_it_comes(ydl: YoutubeDL, site: Site) -> None:
    """Each byte is given its time, and none is waited for beyond what was asked for."""
    answer = ydl.urlopen(as_browser(site.put("/slow", Reply(200, {}, Body(b"x" * 4000, rate=2000))), timeout=1))

    assert len(answer.read(100)) == 100
    assert len(answer.read()) == 3900


# Bounds.


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_each_encoding_of_a_browser_is_read(encoding: str, ydl: YoutubeDL, site: Site) -> None:
    packed = {
        "gzip": gzip.compress(b"hello"),
        "deflate": zlib.compress(b"hello"),
        "br": brotli.compress(b"hello"),
        "zstd": bytes.fromhex("28b52ffd2005290000") + b"hello",
    }[encoding]
    url = site.put("/packed", Reply(200, {"Content-Encoding": encoding}, Body(packed)))

    assert ydl.urlopen(as_browser(url)).read() == b"hello"


def test_what_is_no_such_encoding_is_told(ydl: YoutubeDL, site: Site) -> None:
    """In a sentence, also where libcurl has none of its own: what follows the end of gzip."""
    for body in (b"plainly not", gzip.compress(b"hello") + b"junkjunk"):
        url = site.put("/packed", Reply(200, {"Content-Encoding": "gzip"}, Body(body)))
        error = failure_of(ydl, as_browser(url))
        assert classify_error(error) is ErrorCode.ORIGIN_ERROR
        assert str(error)


def test_a_caller_may_want_no_encoding(ydl: YoutubeDL, site: Site) -> None:
    ydl.urlopen(as_browser(site.url("/thumb.jpg"), headers={"Accept-Encoding": "identity"})).read()

    assert site.requests()[0].headers["accept-encoding"] == "identity"


def test_a_bomb_is_given_up(ydl: YoutubeDL, site: Site) -> None:
    bomb = gzip.compress(bytes(80 * MIB), 1)
    url = site.put("/bomb", Reply(200, {"Content-Encoding": "gzip"}, Body(bomb)))

    assert code_of(ydl, as_browser(url)) is ErrorCode.UNSUPPORTED_SITE


def test_a_redirects_body_is_read_only_if_it_is_short(
    ydl: YoutubeDL, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After decompression: else each hop costs as much as a page may have."""
    most = 0
    take = Connection._take_body

    def note_size(connection: Connection, data: bytes) -> int:
        nonlocal most
        try:
            return take(connection, data)
        finally:
            most = max(most, len(connection._unread))

    monkeypatch.setattr(Connection, "_take_body", note_size)
    bomb = brotli.compress(bytes(8 * MIB), quality=5)
    end = site.put("/end", text("there"))
    url = site.put("/start", Reply(302, {"Location": end, "Content-Encoding": "br"}, Body(bomb)))

    assert ydl.urlopen(as_browser(url)).read() == b"there"
    assert 0 < most < MIB


def test_a_body_that_nobody_reads_is_not_fetched(ydl: YoutubeDL, site: Site) -> None:
    """It stays with the site, but for what the kernel and HTTP/2's window hold."""
    url = site.put("/large", Reply(200, {}, Body(bytes(64 * MIB))))
    answer = ydl.urlopen(as_browser(url))
    assert len(answer.read(1000)) == 1000
    assert len(answer.fp._connection._unread) < MIB
    answer.close()
    assert site.requests("/large")[0].sent < 32 * MIB


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(tuple((f"X-{number}", "a") for number in range(150)), id="many"),
        pytest.param((("X-Long", "a" * 70_000),), id="long"),
    ],
)
def test_headers_are_bounded(more: tuple[tuple[str, str], ...], ydl: YoutubeDL, site: Site) -> None:
    url = site.put("/head", Reply(200, {}, Body(b"a"), more_headers=more))

    assert code_of(ydl, as_browser(url)) in {ErrorCode.ORIGIN_ERROR, ErrorCode.NETWORK}
