"""Bodies held until the test says go."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from support.origin import Origin, Site, media
from unit.support.origin.conftest import Get

HALF = media.CLIP_BYTES // 2


def _ask(url: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("GET", f"{parts.path}?{parts.query}")
    return connection, connection.getresponse()


def test_second_half_comes_when_the_gate_is_opened(site: Site) -> None:
    connection, response = _ask(site.url("/gated/g/clip.mp4"))
    assert len(response.read(HALF)) == HALF
    site.gate("g").wait_held()
    assert [exchange.sent for exchange in site.requests()] == [HALF]
    site.gate("g").open()
    assert response.read() == media.read("clip.mp4")[HALF:]
    connection.close()
    (exchange,) = site.settled()
    assert (exchange.sent, exchange.closed_early) == (media.CLIP_BYTES, False)


def test_open_gate_holds_nobody(site: Site, get: Get) -> None:
    site.gate("g").open()
    assert get(site.url("/gated/g/clip.mp4")).body == media.read("clip.mp4")


def test_peer_that_leaves_at_the_gate_is_noticed(site: Site) -> None:
    connection, response = _ask(site.url("/gated/g/clip.mp4?at=1000"))
    assert len(response.read(1000)) == 1000
    site.gate("g").wait_held()
    response.close()
    connection.close()
    (exchange,) = site.settled()
    assert (exchange.sent, exchange.closed_early) == (1000, True)


def test_gate_stands_at_one_place_of_the_file(site: Site, get: Get) -> None:
    """A download that resumes behind it waits at once, one that asks for what lies before doesn't."""
    url = site.url("/gated/g/clip.mp4?at=1000")
    assert get(url, Range="bytes=0-999").body == media.read("clip.mp4")[:1000]
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(get, url, Range="bytes=2000-2999")
        site.gate("g").wait_held()
        site.gate("g").open()
        assert rest.result().body == media.read("clip.mp4")[2000:3000]


def test_segments_from_one_on_wait(site: Site, get: Get) -> None:
    base = site.url("/gated-hls/g/v720/2")
    assert get(f"{base}/master.m3u8").status == 200
    assert get(f"{base}/v720/seg001.ts").status == 200
    assert get(f"{base}/audio/seg004.ts").status == 200
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(get, f"{base}/v720/seg{number:03}.ts") for number in (2, 5)]
        site.gate("g").wait_held(clients=2)
        site.gate("g").open()
        assert [len(one.result().body) > 1000 for one in waiting] == [True, True]


def test_answer_may_not_come_at_all(site: Site, get: Get) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(get, site.url("/hang"))
        site.gate("hang").wait_held()
        assert not answer.done()
        site.reset()
        assert answer.result().body == b"at last\n"


def test_nobody_at_the_gate_is_an_error(site: Site) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 clients"):
        site.gate("g").wait_held(timeout=0)


def test_server_that_ends_lets_go_of_all() -> None:
    with Origin() as origin:
        connection, response = _ask(origin.root.url("/gated/g/clip.mp4?at=1000"))
        response.read(1000)
        origin.root.gate("g").wait_held()
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
    assert origin.faults == []
