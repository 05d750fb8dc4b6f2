"""When a download counts as standing still; by a clock that the test moves."""

from types import SimpleNamespace

import pytest

from vidferry_worker.attempt import stall as module
from vidferry_worker.attempt.stall import MAX_WAITS, StallDetector
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
