"""What sites do to downloads: final or tried again as it may help, bounded, and never at another site's cost."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from support import hls, made
from support.origin.files import File
from support.origin.media import CLIP_BYTES
from support.origin.site import Site
from support.origin.wire import Reply, text
from support.product import Product
from support.watchers import Watcher
from vidferry_worker.child.retry_after import MAX_WAIT
from vidferry_worker.settings import WorkerSettings

pytestmark = pytest.mark.xdist_group("life-origin")

RETRIES, DELAY, STALL_SECONDS = 2, 0.4, 4
MAX_BYTES = 3_000_000
CLIP = File("clip.mp4", made.clip())
FORTY_GB = 40 * 10**9
FINAL = {
    "/status/403": "refused",
    "/status/404": "unavailable",
    "/status/410": "unavailable",
    "/status/451": "geo_blocked",
    "/live.m3u8": "live",
    "/thumb.jpg": "unsupported_site",
    "/disguised/clip.mp4": "unsupported_stream",
    "/endless/clip.mp4": "too_large",
    f"/announced/clip.mp4?bytes={FORTY_GB}": "too_large",
}
TRIED_AGAIN = {
    "/status/408": "origin_error",
    "/status/500": "origin_error",
    "/status/503?after=0": "origin_error",
    "/short/clip.mp4": "network",
    "/short/clip.mp4?reset=1": "network",
    "/hls-missing/master.m3u8": "origin_error",
    "/hang": "stalled",
    "/gated/never/clip.mp4": "stalled",
    "/gated-hls/never/v720/3/master.m3u8": "stalled",
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings = {
        "worker_slots": "10", "retries": str(RETRIES), "retry_delay": str(DELAY), "stall_seconds": str(STALL_SECONDS),
        "max_bytes": str(MAX_BYTES),
    }  # fmt: skip
    with Product(tmp_path_factory.mktemp("origin"), settings) as running:
        yield running


def all_of(product: Product, site: Site, paths: dict[str, str]) -> dict[str, Watcher]:
    """All that the watchers of those are sent; they run at once, and not before they are watched."""
    product.worker.signal(signal.SIGSTOP)
    try:
        watchers = [product.follow(product.post(site.url(path))) for path in paths]
        assert [watcher.first()["status"] for watcher in watchers] == ["queued"] * len(paths)
    finally:
        product.worker.signal(signal.SIGCONT)
    return dict(zip(paths, [watcher.closed() for watcher in watchers], strict=True))


def ends(watched: dict[str, Watcher]) -> dict[str, tuple[str, str, int]]:
    return {path: (each.last["status"], each.last["error"]["code"], each.last["attempt"])
            for path, each in watched.items()}  # fmt: skip


def test_what_is_final_fails_at_once_and_says_why(product: Product, site: Site) -> None:
    before = product.videos()
    watched = all_of(product, site, FINAL)

    assert ends(watched) == {path: ("failed", code, 1) for path, code in FINAL.items()}
    assert all(len(each.ends) == 1 and each.close_code == 1000 for each in watched.values())
    sent = {one.path: one.sent for one in site.settled()}
    # What lies in the buffers of sockets and of a block that is read comes on top.
    assert all(sent[path] < 3 * MAX_BYTES for path in ("/endless/clip.mp4", "/announced/clip.mp4"))
    product.settle()
    assert product.videos() == before


def test_what_may_pass_is_tried_again_and_shows_it(product: Product, site: Site) -> None:
    watched = all_of(product, site, TRIED_AGAIN)

    assert ends(watched) == {path: ("failed", code, RETRIES + 1) for path, code in TRIED_AGAIN.items()}
    assert all(each.last["error"]["retryable"] and len(each.ends) == 1 for each in watched.values())
    waits = [[each for each in one.data if each["retry_at"]] for one in watched.values()]
    assert all([each["retries"] for each in one] == [1, 2] for one in waits)
    assert all((each["status"], each["max_retries"]) == ("queued", RETRIES) for one in waits for each in one)
    first, second = ([delay(one[number]) for one in waits] for number in (0, 1))
    assert max(first) <= DELAY < max(second) <= 3 * DELAY
    assert len(set(first)) > 1, "jitter"
    product.settle()


def delay(waiting: dict[str, Any]) -> float:
    """Seconds to the next try, as a watcher sees it."""
    said, due = (datetime.fromisoformat(waiting[name]) for name in ("timestamp", "retry_at"))
    return (due - said).total_seconds()


def test_what_cannot_be_trusted_fails_at_once(product: Product, site: Site) -> None:
    """Here it speaks no TLS at all where it should."""
    end = product.watch(product.post(site.url("/media/clip.mp4").replace("http:", "https:"))).last

    assert (end["error"]["code"], end["error"]["retryable"], end["attempt"]) == ("certificate_invalid", False, 1)


@pytest.mark.parametrize("path", ["/clip.mp4", "/page", "/list.m3u8", "/s2.ts", "/key"])
def test_no_site_is_asked_before_it_says_so(path: str, product: Product, site: Site) -> None:
    """For its page, its list, its file, a segment or a key; by seconds or by a date."""
    seconds = 6  # more than is waited for in the middle of a download
    url = site.put("/clip.mp4", CLIP)
    if path == "/page":
        url = site.put("/page", text('<video src="clip.mp4"></video>', "html"))
    elif path != "/clip.mp4":
        url = hls.put_clip(site, key_url="key")
    busy = Reply(503, {"Retry-After": str(seconds)})
    if path in {"/page", "/s2.ts"}:
        when = datetime.now(UTC) + timedelta(seconds=seconds + 1)
        busy = Reply(503, {"Retry-After": format_datetime(when, usegmt=True)})
    then = site.next_answer(path)
    assert then
    site.put(path, busy, then)
    watched = product.watch(product.post(url))

    (waiting,) = [each for each in watched.data if each["retry_at"]]
    assert (waiting["status"], waiting["retries"]) == ("queued", 1)
    assert seconds - 1 <= delay(waiting) <= (seconds + 1) * 1.1
    assert (watched.last["status"], watched.last["attempt"]) == ("completed", 2)
    assert [one.status for one in site.settled(path)].count(busy.status) == 1


def test_for_a_moment_a_site_is_waited_for_in_the_middle(product: Product, site: Site) -> None:
    """For longer than a site may send nothing unasked."""
    seconds = int(MAX_WAIT)
    assert seconds > STALL_SECONDS
    url = hls.put_clip(site, s2=[Reply(429, {"Retry-After": str(seconds)}), hls.clip_segment(2)])
    watched = product.watch(product.post(url))

    paused = [each for each in watched.data if each["retry_at"]]
    assert {(each["status"], each["message"]) for each in paused} == {("processing", "The site asks for a pause")}
    assert all(0 < delay(each) <= seconds for each in paused)
    assert (watched.last["status"], watched.last["attempt"]) == ("completed", 1)


def test_an_attempt_that_begins_anew_says_so(product: Product, site: Site) -> None:
    watched = product.watch(product.post(site.put("/clip.mp4", Reply(503), CLIP)))

    begun = [each["message"] for each in watched.data if each["stage"] == "started"]
    assert begun == [
        "Processing started",
        "Restarted: the site answered with an error, or sent only a part of the video.",
    ]


@pytest.mark.parametrize("reset", [0, 1])
def test_a_cut_body_is_gone_on_with_where_it_ended(reset: int, product: Product, site: Site) -> None:
    job_id = product.post(site.url(f"/short/clip.mp4?times=2&reset={reset}"))  # the first is asked for its headers
    end = product.watch(job_id).last

    assert (end["status"], end["attempt"], end["retries"]) == ("completed", 1, 0)
    assert end["result"]["size"] == CLIP_BYTES
    *_, cut, rest = site.settled("/short/clip.mp4")
    assert (cut.status, rest.status) == (200, 206)
    begin = int(rest.headers["range"].removeprefix("bytes=").rstrip("-"))
    assert begin > 0  # by a reset, what the client had not read yet is lost
    assert rest.sent == CLIP_BYTES - begin


def test_a_stall_is_noticed_and_the_next_try_goes_through(product: Product, site: Site) -> None:
    job_id = product.post(site.url("/gated/late/clip.mp4"))
    waiting = product.until(job_id, lambda job: job["retry_at"] is not None)
    site.gate("late").open()
    end = product.watch(job_id).last

    assert waiting["message"].startswith("The site stopped sending data.")
    assert (end["status"], end["attempt"], end["retries"]) == ("completed", 2, 1)


def test_how_long_a_video_and_its_download_may_take(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"max_seconds": "10", "max_duration": "2"}
    with Product(tmp_path_factory.mktemp("bounds"), settings) as product:
        held = product.post(site.url("/gated/never/clip.mp4"))
        long = product.post(site.url("/media/clip.mp4"))
        codes = [product.watch(job_id).last["error"]["code"] for job_id in (long, held)]
        assert codes == ["too_long", "timed_out"]
        product.settle()
        assert not product.videos()


def test_a_slow_site_cannot_take_every_slot(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two workers with two slots each, and at most two downloads of one site on both."""
    settings = {"worker_slots": "2", "site_limit": "2"}
    with Product(tmp_path_factory.mktemp("sites"), settings, settings) as product:
        slow = [product.post(site.url(f"/gated/{number}/clip.mp4")) for number in range(4)]
        for number in (0, 1):
            product.reached(slow[number], "downloading")
        others = [
            product.post(site.url(path).replace("127.0.0.1", "localhost")) for path in ("/media/clip.mp4", "/page")
        ]

        assert [product.watch(job_id).last["status"] for job_id in others] == ["completed"] * 2
        assert [product.job(job_id)["status"] for job_id in slow] == ["processing"] * 2 + ["queued"] * 2
        assert not site.requests("/gated/2/") + site.requests("/gated/3/")
        site.gate("0").open()
        product.reached(slow[2], "downloading")  # the one that waits longest
        assert product.job(slow[3])["status"] == "queued"
        for number in (1, 2, 3):
            site.gate(str(number)).open()
        assert [product.watch(job_id).last["status"] for job_id in slow] == ["completed"] * 4
        product.settle()


SLOTS = 4
SHARED = {
    "worker_slots": str(SLOTS), "stall_seconds": "600", "min_rate": "0",
    **{name: str(WorkerSettings.model_fields[name].default) for name in ("site_share", "caller_share")},
}  # fmt: skip
"""the shares are the defaults; what waits at a gate keeps its slot, however busy the machine is"""


def test_by_default_a_site_leaves_half_of_the_slots(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Under another spelling of its address, too."""
    with Product(tmp_path_factory.mktemp("half"), SHARED) as product:
        paths = [site.url(f"/gated/{number}/clip.mp4") for number in range(SLOTS)]
        slow = [product.post(url) for url in (*paths[:3], paths[3].replace("127.0.0.1", "[::ffff:127.0.0.1]"))]
        for job_id in slow[:2]:
            product.reached(job_id, "downloading")
        other = product.post(site.url("/media/clip.mp4").replace("127.0.0.1", "localhost"))

        assert product.watch(other).last["status"] == "completed"
        assert [product.job(job_id)["status"] for job_id in slow] == ["processing"] * 2 + ["queued"] * 2
        for number in range(SLOTS):
            site.gate(str(number)).open()
        assert [product.watch(job_id).last["status"] for job_id in slow] == ["completed"] * SLOTS
        product.settle()


def test_by_default_a_caller_leaves_a_slot(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever asks by several addresses of one /64 is one caller; a proxy tells who asks."""
    with Product(tmp_path_factory.mktemp("callers"), SHARED | {"site_share": "1"}) as product:
        slow = [
            product.post(site.url(f"/gated/{number}/clip.mp4"), caller=f"2001:db8::{number + 1}")
            for number in range(SLOTS)
        ]
        for job_id in slow[:3]:
            product.reached(job_id, "downloading")
        other = product.post(site.url("/media/clip.mp4"), caller="2001:db8:0:1::1")

        assert product.watch(other).last["status"] == "completed"
        assert product.job(slow[3])["status"] == "queued"
        for number in range(SLOTS):
            site.gate(str(number)).open()
        assert [product.watch(job_id).last["status"] for job_id in slow] == ["completed"] * SLOTS
        product.settle()
