"""When a download counts as standing still, or as too slow; by a clock that the test moves."""

from types import SimpleNamespace

import pytest

from vidferry_worker.attempt import stall as module
from vidferry_worker.attempt.stall import MAX_WAITS, RateCheck, StallDetector
from vidferry_worker.children.protocol import Waiting

LIMIT = 10.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_is_over_after_the_limit_and_bytes_begin_it_anew(clock: SimpleNamespace) -> None:
    stall = StallDetector(LIMIT)
    clock.now = LIMIT
    assert not stall.is_stalled
    clock.now = LIMIT + 1
    assert stall.is_stalled
    stall.note_bytes()
    assert not stall.is_stalled


def test_a_wait_that_was_told_does_not_count(clock: SimpleNamespace) -> None:
    stall = StallDetector(LIMIT)
    stall.grant_wait(Waiting(5, asked=False))
    clock.now = LIMIT + 5
    assert not stall.is_stalled
    clock.now = LIMIT + 6
    assert stall.is_stalled


def test_silence_before_and_after_a_wait_adds_up(clock: SimpleNamespace) -> None:
    """Tries with pauses between them take no longer than the limit and the pauses."""
    stall = StallDetector(LIMIT)
    clock.now = LIMIT - 1
    stall.grant_wait(Waiting(5, asked=False))
    clock.now = LIMIT + 5
    assert not stall.is_stalled
    clock.now = LIMIT + 6
    assert stall.is_stalled


def test_waits_at_the_same_time_count_once(clock: SimpleNamespace) -> None:
    stall = StallDetector(LIMIT)
    for _ in range(6):
        stall.grant_wait(Waiting(5, asked=False))
    clock.now = LIMIT + 6
    assert stall.is_stalled


def test_one_part_waits_while_others_come(clock: SimpleNamespace) -> None:
    stall = StallDetector(LIMIT)
    stall.grant_wait(Waiting(5, asked=False))
    stall.note_bytes()
    clock.now = LIMIT + 5
    assert not stall.is_stalled


@pytest.mark.parametrize("asked", [True, False])
def test_a_pause_is_what_the_site_asked_for(asked: bool) -> None:
    stall = StallDetector(LIMIT)
    stall.grant_wait(Waiting(5, asked))
    assert (stall.pause_ends is not None) is asked


def test_no_child_waits_for_ever(clock: SimpleNamespace) -> None:
    stall = StallDetector(LIMIT)
    for _ in range(100):
        stall.grant_wait(Waiting(5, asked=False))
    stall.grant_wait(Waiting(1e9, asked=False))
    clock.now = LIMIT + MAX_WAITS + 1
    assert stall.is_stalled


def test_a_download_that_trickles_is_too_slow() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)

    assert [pace.is_too_slow(downloaded, now) for downloaded, now in ((0, 9.9), (1000, 10), (1999, 19.9))] == [
        False
    ] * 3
    assert pace.is_too_slow(1999, 20)
    assert not pace.is_too_slow(3000, 30), "what came late counts where it came"


def test_what_comes_after_a_body_was_begun_anew_counts() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)

    assert not pace.is_too_slow(5000, 10)
    assert not pace.is_too_slow(1000, 20)


def test_a_wait_makes_no_download_too_slow_but_waits_without_end_do() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)
    pace.exclude_wait(4)

    assert not pace.is_too_slow(0, 13)
    assert not pace.is_too_slow(1000, 14)
    for _ in range(100):
        pace.exclude_wait(5)
    assert not pace.is_too_slow(1000, 33)
    assert pace.is_too_slow(1000, 34)


def test_any_pace_may_be_allowed() -> None:
    assert not RateCheck(rate=0, seconds=10, now=0).is_too_slow(0, 100)
