"""When a download counts as standing still; by a clock that the test moves."""

from types import SimpleNamespace

import pytest

from vidferry_worker.attempt import stall as module
from vidferry_worker.attempt.stall import LONGEST_WAITS, Stall
from vidferry_worker.children.protocol import Waiting

LIMIT = 10.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_is_over_after_the_limit_and_bytes_begin_it_anew(clock: SimpleNamespace) -> None:
    stall = Stall(LIMIT)
    clock.now = LIMIT
    assert not stall.is_over
    clock.now = LIMIT + 1
    assert stall.is_over
    stall.move()
    assert not stall.is_over


def test_a_wait_that_was_told_does_not_count(clock: SimpleNamespace) -> None:
    stall = Stall(LIMIT)
    stall.wait(Waiting(5, asked=False))
    clock.now = LIMIT + 5
    assert not stall.is_over
    clock.now = LIMIT + 6
    assert stall.is_over


def test_one_part_waits_while_others_come(clock: SimpleNamespace) -> None:
    stall = Stall(LIMIT)
    stall.wait(Waiting(5, asked=False))
    stall.move()
    clock.now = LIMIT + 5
    assert not stall.is_over


@pytest.mark.parametrize("asked", [True, False])
def test_a_pause_is_what_the_site_asked_for(asked: bool) -> None:
    stall = Stall(LIMIT)
    stall.wait(Waiting(5, asked))
    assert (stall.pause_ends is not None) is asked


def test_no_child_waits_for_ever(clock: SimpleNamespace) -> None:
    stall = Stall(LIMIT)
    for _ in range(100):
        stall.wait(Waiting(5, asked=False))
    stall.wait(Waiting(1e9, asked=False))
    clock.now = LIMIT + LONGEST_WAITS + 1
    assert stall.is_over
