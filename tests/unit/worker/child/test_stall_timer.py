"""What a site does not send while a video is looked for; by a clock that the test moves."""

from collections.abc import Iterator

import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import stall_timer as module
from vidferry_worker.child.stall_timer import LONGEST_WAIT, SHORTEST_WAIT, StallTimer

LIMIT = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    with monkeypatch.context() as patch:
        patch.setattr(module, "time", clock)
        yield clock


@pytest.fixture
def stall_timer() -> StallTimer:
    found = StallTimer()
    found.start(LIMIT)
    return found


def hang(stall_timer: StallTimer, clock: Clock, seconds: float = LONGEST_WAIT) -> None:
    with stall_timer.time_wait():
        clock.now += seconds
        raise TimeoutError


def test_what_is_tolerated_adds_up(stall_timer: StallTimer, clock: Clock) -> None:
    with pytest.raises(TimeoutError):
        hang(stall_timer, clock)
    assert stall_timer.timeout == LIMIT - LONGEST_WAIT
    with pytest.raises(JobFailure) as caught:
        hang(stall_timer, clock, stall_timer.timeout)

    assert caught.value.code is ErrorCode.STALLED


def test_a_byte_ends_it(stall_timer: StallTimer, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(stall_timer, clock)
        with stall_timer.time_wait():
            clock.now += LONGEST_WAIT


def test_so_does_a_refusal(stall_timer: StallTimer, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(stall_timer, clock)
        with pytest.raises(ConnectionRefusedError), stall_timer.time_wait():
            raise ConnectionRefusedError


def test_once_the_video_is_found_others_watch(stall_timer: StallTimer, clock: Clock) -> None:
    stall_timer.stop()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(stall_timer, clock)


def test_no_request_waits_for_longer_than_it_may() -> None:
    stall_timer = StallTimer()
    assert stall_timer.timeout == LONGEST_WAIT
    stall_timer.start(10)
    assert stall_timer.timeout == 10
    stall_timer.start(0.5)
    assert stall_timer.timeout == SHORTEST_WAIT
