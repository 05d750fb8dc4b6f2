"""Pauses between requests, by a clock of the test's own; and what a child says whose pauses take too long."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.children import SECONDS, next_event
from support.origin.site import Site
from support.origin.wire import text
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child import request_pace
from vidferry_worker.child.request_pace import RequestPace
from vidferry_worker.children.protocol import DownloadOrder, Pacing
from vidferry_worker.children.zygote import Zygote


class Clock:
    """Stands in for the module `time`: sleeping moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(request_pace, "time", clock)
    return clock


def times(pace: RequestPace, clock: Clock, *lasting: float) -> list[float]:
    """When requests that take so long are sent, from now on."""
    begun, sent = clock.now, []
    for seconds in lasting:
        with pace.keep():
            sent.append(clock.now - begun)
            clock.sleep(seconds)
    return sent


def test_a_request_waits_from_the_answer_before_it(clock: Clock) -> None:
    pace = RequestPace()
    assert times(pace, clock, 1, 1) == [0, 1], "without an order to"
    pace.start(Pacing(2, 100))
    assert times(pace, clock, 0, 5, 0, 0) == [0, 2, 9, 11]
    clock.sleep(50)
    assert times(pace, clock, 0) == [0], "no pause where enough time has passed"
    pace.stop()
    assert times(pace, clock, 0, 0) == [0, 0]


def test_a_failed_request_counts(clock: Clock) -> None:
    pace = RequestPace()
    pace.start(Pacing(2, 100))
    with pytest.raises(OSError, match="broken"), pace.keep():
        raise OSError("broken")
    assert times(pace, clock, 0) == [2]


def test_all_pauses_are_bounded(clock: Clock) -> None:
    """An extraction that would be over its time for the pauses' sake says so."""
    pace = RequestPace()
    pace.start(Pacing(10, 20))
    assert times(pace, clock, 0, 0, 0) == [0, 10, 20]
    with pytest.raises(JobFailure, match=r"sleep in the sites file\) take over 20 s") as failure:
        times(pace, clock, 0)
    assert failure.value.code == "timed_out"
    pace.renew()
    assert times(pace, clock, 0) == [10]


def test_parallel_requests_keep_apart(clock: Clock) -> None:
    pace = RequestPace()
    pace.start(Pacing(3, 100))
    sent: list[float] = []

    def send(_: int) -> None:
        with pace.keep():
            sent.append(clock.now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(6)))
    assert clock.now >= 1000 + 5 * 3


@pytest.mark.anyio
async def test_a_child_whose_pauses_take_too_long_says_so(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    """Whoever reads the log learns what to change."""
    site.put("/page", text("<video src='media/clip.mp4'></video>", "html"))
    first = site.put("/first", text('<meta http-equiv="refresh" content="0; url=page">', "html"))
    child = await zygote.fork(tmp_path)
    try:
        child.send_order(DownloadOrder(first, "1080-any", 3600, 10**9, 30, pacing=Pacing(0.3, 0.2)))
        async with asyncio.timeout(SECONDS):
            told = await next_event(child)
        assert (told["event"], told["code"]) == ("failed", "timed_out")
        assert "sleep in the sites file" in told["detail"]
        assert len(site.requests()) == 1
    finally:
        await child.close()
