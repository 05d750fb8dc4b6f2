"""What a site does not send while a video is looked for; by a clock that the test moves."""

from collections.abc import Iterator

import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import stall_timer as module
from vidferry_worker.child.stall_timer import LONGEST_WAIT, SHORTEST_WAIT, Silence

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
def silence() -> Silence:
    found = Silence()
    found.begin(LIMIT)
    return found


def hang(silence: Silence, clock: Clock, seconds: float = LONGEST_WAIT) -> None:
    with silence.heeded():
        clock.now += seconds
        raise TimeoutError


def test_what_is_tolerated_adds_up(silence: Silence, clock: Clock) -> None:
    with pytest.raises(TimeoutError):
        hang(silence, clock)
    assert silence.wait == LIMIT - LONGEST_WAIT
    with pytest.raises(JobFailure) as caught:
        hang(silence, clock, silence.wait)

    assert caught.value.code is ErrorCode.STALLED


def test_a_byte_ends_it(silence: Silence, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(silence, clock)
        with silence.heeded():
            clock.now += LONGEST_WAIT


def test_so_does_a_refusal(silence: Silence, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(silence, clock)
        with pytest.raises(ConnectionRefusedError), silence.heeded():
            raise ConnectionRefusedError


def test_once_the_video_is_found_others_watch(silence: Silence, clock: Clock) -> None:
    silence.end()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            hang(silence, clock)


def test_no_request_waits_for_longer_than_it_may() -> None:
    silence = Silence()
    assert silence.wait == LONGEST_WAIT
    silence.begin(10)
    assert silence.wait == 10
    silence.begin(0.5)
    assert silence.wait == SHORTEST_WAIT
