"""Sites, their records, and the same from outside the process."""

import http.client
import json
import signal
import subprocess
import sys
from urllib.parse import urlsplit

from support.origin import Origin, Site, media
from support.tree import TESTS
from unit.support.origin.conftest import Get


def test_sites_do_not_see_each_other(origin: Origin, get: Get) -> None:
    one, two = origin.site(), origin.site()
    get(one.url("/flaky/clip.mp4?key=k"), "HEAD")
    assert get(two.url("/flaky/clip.mp4?key=k"), "HEAD").status == 503
    one.mutate("m")
    assert two.version("m") == 0
    assert [exchange.site for exchange in one.settled()] == [one.token]
    assert len(two.settled()) == 1


def test_root_is_a_site_too(origin: Origin, get: Get) -> None:
    assert get(origin.root.url("/thumb.jpg")).status == 200
    assert origin.root.requests("/thumb.jpg")


def test_record_tells_the_request_and_its_answer(site: Site, get: Get) -> None:
    get(site.url("/media/clip.mp4?a=1"), Range="bytes=0-99", X_Asked_By="test")
    (exchange,) = site.settled("/media/clip.mp4")
    assert exchange.target == f"/u/{site.token}/media/clip.mp4?a=1"
    assert exchange.headers["x-asked-by"] == "test"
    assert (exchange.status, exchange.length, exchange.sent, exchange.closed_early) == (206, 100, 100, False)


def test_records_are_found_by_path_or_folder(site: Site, get: Get) -> None:
    for path in ("/hls/master.m3u8", "/hls/v360/index.m3u8", "/thumb.jpg"):
        get(site.url(path))
    assert len(site.settled("/hls/")) == 2
    assert len(site.settled("/hls/master.m3u8")) == 1
    assert len(site.settled()) == 3
    site.reset()
    assert site.requests() == []


def test_connection_is_kept_alive(site: Site) -> None:
    url = urlsplit(site.url("/thumb.jpg"))
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    for _ in range(3):
        connection.request("GET", url.path)
        connection.getresponse().read()
    connection.close()
    assert len({exchange.connection for exchange in site.settled()}) == 1


def test_close_at_the_headers_shows(site: Site) -> None:
    url = urlsplit(site.url("/media/clip.mp4"))
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    connection.request("GET", url.path)
    response = connection.getresponse()
    response.close()
    connection.close()
    (exchange,) = site.settled()
    assert exchange.closed_early
    assert exchange.sent < media.CLIP_BYTES // 4


def test_control_of_a_process_of_its_own(get: Get) -> None:
    command = [sys.executable, "-m", "support.origin", "--port", "0"]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        base = process.stdout.readline().strip() + "/u/t"
        etag = get(f"{base}/mutable/k/clip.mp4", "HEAD").headers["etag"]
        assert get(f"{base}/control/mutate?key=k").body == b"1\n"
        assert get(f"{base}/mutable/k/clip.mp4", "HEAD").headers["etag"] != etag
        assert get(f"{base}/control/held?gate=g&timeout=0").status == 504
        assert get(f"{base}/control/open?gate=g").status == 200
        assert get(f"{base}/gated/g/clip.mp4").body == media.read("clip.mp4")
        (record,) = json.loads(get(f"{base}/control/requests?path=/gated/g/clip.mp4&settled=5").body)
        assert (record["status"], record["sent"], record["ended"]) == (200, media.CLIP_BYTES, True)
        assert get(f"{base}/control/reset").status == 200
        assert json.loads(get(f"{base}/control/requests").body) == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
