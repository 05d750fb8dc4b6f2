"""For how long a site may send nothing, and for how long each of its connections; by a clock that the test moves."""

from collections.abc import Iterator

import pytest
from yt_dlp.networking.exceptions import TransportError

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import stall_timer as module
from vidferry_worker.child.stall_timer import FIRST_WAIT, SHORTEST_WAIT, StallTimer

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


def hang(stall_timer: StallTimer, clock: Clock, seconds: float | None = None) -> None:
    """A request that waits for that long, or for as long as it may."""
    timeout = stall_timer.timeout
    with stall_timer.time_wait(timeout):
        clock.now += timeout if seconds is None else seconds
        raise TransportError(cause=TimeoutError())


def waits(stall_timer: StallTimer, clock: Clock) -> list[float]:
    """How long each request may wait, until it is over."""
    found: list[float] = []
    for _ in range(20):
        found.append(stall_timer.timeout)
        try:
            hang(stall_timer, clock)
        except TransportError:
            continue
        except JobFailure as failure:
            return found if failure.code is ErrorCode.STALLED else []
    pytest.fail(f"it goes on: {found}")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (30, [20, 10]),
        (6, [4, 2]),
        (60, [20, 40]),
        (600, [20, 40, 80, 160, 300]),
        (3600, [20, 40, 80, 160, 320, 640, 1280, 1060]),
    ],
)
def test_it_is_over_at_the_limit_and_connections_are_given_more_and_more(
    limit: float, expected: list[float], clock: Clock
) -> None:
    assert waits(StallTimer(limit), clock) == pytest.approx(expected)
    assert clock.now == pytest.approx(limit)


def test_one_request_may_be_spared(clock: Clock) -> None:
    """The next one has as long as a first one."""
    assert waits(StallTimer(LIMIT, spares_one=True), clock) == pytest.approx([20, 10, 20])


def test_bytes_begin_it_anew(clock: Clock) -> None:
    stall_timer = StallTimer(LIMIT)
    for _ in range(3):
        with pytest.raises(TransportError):
            hang(stall_timer, clock)
        assert stall_timer.timeout == LIMIT - FIRST_WAIT
        stall_timer.note_bytes()
        assert stall_timer.timeout == FIRST_WAIT


def test_so_does_a_refusal(clock: Clock) -> None:
    stall_timer = StallTimer(LIMIT)
    for _ in range(3):
        with pytest.raises(TransportError):
            hang(stall_timer, clock)
        with pytest.raises(ConnectionRefusedError), stall_timer.time_wait(1):
            raise ConnectionRefusedError


def test_what_answers_without_a_byte_of_the_body_does_not(clock: Clock) -> None:
    """A site that sends heads, and never a body, has stalled."""
    stall_timer = StallTimer(LIMIT)
    with pytest.raises(TransportError):
        hang(stall_timer, clock)
    with stall_timer.time_wait(1):
        pass
    assert stall_timer.timeout == LIMIT - FIRST_WAIT


def test_only_the_silence_counts_of_a_wait_that_bytes_have_made_longer(clock: Clock) -> None:
    stall_timer = StallTimer(LIMIT)
    with pytest.raises(TransportError):
        hang(stall_timer, clock, 1000)
    assert stall_timer.timeout == LIMIT - FIRST_WAIT


def test_what_is_sent_once_is_given_all_that_is_left(clock: Clock) -> None:
    stall_timer = StallTimer(LIMIT)
    assert stall_timer.whole_timeout == LIMIT
    with pytest.raises(TransportError):
        hang(stall_timer, clock)
    assert stall_timer.whole_timeout == LIMIT - FIRST_WAIT


def test_no_request_is_given_too_little() -> None:
    assert StallTimer(0.5).timeout == SHORTEST_WAIT
    assert StallTimer().timeout == FIRST_WAIT
