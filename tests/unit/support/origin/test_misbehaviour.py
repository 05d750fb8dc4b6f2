"""Each way in which the origin is a bad site, seen from a plain HTTP client."""

import http.client
import ssl
import time
from urllib.parse import urlsplit

import pytest

from support.origin import Site, media
from unit.support.origin.conftest import Get


@pytest.mark.parametrize("code", [403, 404, 410, 429, 500, 503])
def test_status(site: Site, get: Get, code: int) -> None:
    answer = get(site.url(f"/status/{code}?after=7"))
    assert answer.status == code
    assert answer.headers.get("retry-after") == ("7" if code in (429, 503) else None)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nothing", 404),
        ("/", 404),
        ("/media/../hls", 404),
        ("/hls/..%2fclip.mp4", 404),
        ("/gated/g/other.mp4", 404),
        ("/page?title=unknown", 404),
        ("/slow/clip.mp4?rate=fast", 400),
        ("/control/nothing", 404),
    ],
)
def test_wrong_path(site: Site, get: Get, path: str, code: int) -> None:
    assert get(site.url(path)).status == code


def test_flaky_fails_so_often_for_each_key(site: Site, get: Get) -> None:
    def codes(query: str) -> list[int]:
        return [get(site.url(f"/flaky/clip.mp4?{query}"), "HEAD").status for _ in range(4)]

    assert codes("times=2&key=a") == [503, 503, 200, 200]
    assert codes("times=1&key=b&after=1&status=500") == [200, 500, 200, 200]
    assert get(site.url("/flaky/clip.mp4?key=c&status=429&wait=9")).headers["retry-after"] == "9"


def test_signed_in_is_for_whoever_has_the_cookie(site: Site, get: Get) -> None:
    url = site.url("/signed-in/alice/clip.mp4")
    cookies = ["", "session=secret-of-bob", "session=secret-of-alice"]
    assert [get(url, Cookie=cookie).status for cookie in cookies] == [401, 401, 200]


def test_chunked_tells_neither_length_nor_version(site: Site, get: Get) -> None:
    answer = get(site.url("/chunked/clip.mp4"), Range="bytes=5-")
    assert (answer.status, answer.body) == (200, media.read("clip.mp4"))
    assert not answer.headers.keys() & {"content-length", "etag", "last-modified", "accept-ranges"}
    (exchange,) = site.settled()
    assert (exchange.length, exchange.sent) == (None, media.CLIP_BYTES)


def test_short_body_ends_before_its_length(site: Site, get: Get) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(site.url("/short/clip.mp4?at=100000"))
    assert len(caught.value.partial) == 100_000
    (exchange,) = site.settled()
    assert (exchange.length, exchange.sent, exchange.closed_early) == (media.CLIP_BYTES, 100_000, False)


def test_short_body_never_gets_past_its_end(site: Site, get: Get) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(site.url("/short/clip.mp4?at=100000"), Range="bytes=90000-")
    assert len(caught.value.partial) == 10_000


def test_short_body_can_heal(site: Site, get: Get) -> None:
    with pytest.raises(http.client.IncompleteRead):
        get(site.url("/short/clip.mp4?times=1"))
    assert get(site.url("/short/clip.mp4?times=1")).body == media.read("clip.mp4")


def test_reset_instead_of_an_end(site: Site, get: Get) -> None:
    with pytest.raises(ConnectionResetError):
        get(site.url("/short/clip.mp4?reset=1"))


def test_endless_body_stops_with_its_reader(site: Site) -> None:
    url = urlsplit(site.url("/endless/clip.mp4"))
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    connection.request("GET", url.path)
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "video/mp4"
    assert len(response.read(2 * media.CLIP_BYTES)) == 2 * media.CLIP_BYTES
    response.close()
    connection.close()
    (exchange,) = site.settled()
    assert exchange.closed_early
    assert exchange.sent >= 2 * media.CLIP_BYTES


@pytest.mark.parametrize("path", ["/slow/clip.mp4?rate=320000", "/slow-hls/320000/v360/seg000.ts"])
def test_pace_is_kept(site: Site, get: Get, path: str) -> None:
    begin = time.monotonic()
    answer = get(site.url(path), Range="bytes=0-63999")
    assert time.monotonic() - begin >= 0.14  # the last of four pieces or more is at once seen by the client
    assert answer.status == 206


def test_redirect_leads_anywhere(site: Site, get: Get) -> None:
    answer = get(site.url("/redirect?to=http%3A%2F%2F169.254.169.254%2Flatest&code=307"))
    assert (answer.status, answer.headers["location"]) == (307, "http://169.254.169.254/latest")


def test_tls_is_refused_at_once(site: Site) -> None:
    connection = http.client.HTTPSConnection(urlsplit(site.base).netloc, timeout=20)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/")
    connection.close()


def test_one_segment_is_missing(site: Site, get: Get) -> None:
    numbers = range(media.SEGMENTS)
    codes = [get(site.url(f"/hls-missing/v360/seg{number:03}.ts"), "HEAD").status for number in numbers]
    assert codes == [200, 200, 404, 200, 200, 200]


def test_live_playlist_has_no_end(site: Site, get: Get) -> None:
    body = get(site.url("/live.m3u8")).body
    assert body.startswith(b"#EXTM3U")
    assert b"ENDLIST" not in body
