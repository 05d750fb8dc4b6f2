"""How an event is judged, from what people saw of it."""

from typing import Any

import pytest

from system.cluster.client import Watcher
from system.cluster.day import UNKNOWN, Event, Happened, hears, silence, wrong
from system.cluster.load import Job


def seen(*messages: tuple[float, str], code: int = 1000) -> Watcher:
    """A window that was told of these states, by when."""
    told = [{"data": {"status": status, "message": ""}, "cursor": ""} for _, status in messages]
    return Watcher(told, [at for at, _ in messages], close_code=code)


WELL = seen((101, "processing"), (104, "processing"), (106, "completed"))


def happened(*windows: Watcher, **right: Any) -> Happened:
    """An event between 102 and 103 s, after which all went well in a second, with one job."""
    event = Event("an event", lambda _: None, **right)
    job = Job(100, {"job_id": "one"}, list(windows), 107)
    return Happened(event, 102, 103, 1, end=108, jobs=[job])


def test_what_is_right() -> None:
    assert wrong(happened(WELL, WELL)) == []


@pytest.mark.parametrize(
    "second",
    [
        seen((101, "processing"), (104, "processing")),
        seen((101, "processing"), (104, "completed"), (105, "completed")),
        seen((101, "processing"), (104, "failed")),
    ],
    ids=["no end", "two ends", "a failure"],
)
def test_each_window_sees_one_completion(second: Watcher) -> None:
    assert wrong(happened(WELL, second)) == ["jobs without one end: 1"]


def test_an_end_that_is_not_completion() -> None:
    failed = seen((101, "processing"), (104, "failed"))
    assert wrong(happened(failed, failed)) == ["jobs failed: 1"]
    assert wrong(happened(failed, failed, costs="failed")) == []


def test_what_is_unknown_may_be_forgotten_where_the_event_says_so() -> None:
    forgotten = seen((101, "processing"), code=4504)
    for other in (forgotten, WELL):
        assert wrong(happened(other, forgotten, costs=UNKNOWN)) == []
        assert wrong(happened(other, forgotten)) == ["jobs unknown: 1"]


def test_silence_is_counted_where_it_meets_the_event_but_not_in_the_queue() -> None:
    before = seen((90, "processing"), (101, "processing"), (104, "processing"), (106, "completed"))
    queued = seen((90, "queued"), (104, "processing"), (106, "completed"))
    assert silence(happened(before, queued)) == 3
    assert wrong(happened(before, queued, silence=2.5)) == ["3.0 s of silence"]


def test_what_must_be_told_and_when_it_must_be_over() -> None:
    one = happened(WELL, WELL, told=["the bucket refuses"], recovered=0.5)
    assert wrong(one) == ["not told: the bucket refuses", "recovered after 1.0 s"]
    one.log["worker: the bucket refuses"] += 1
    one.recovered = 0.4
    assert wrong(one) == []


def test_an_outage_may_be_silent_as_long_as_it_takes() -> None:
    deaf = seen((101, "processing"), (104.5, "completed"))
    assert wrong(happened(deaf, deaf, silence=2.6, away=True)) == []
    assert wrong(happened(deaf, deaf, silence=2.4, away=True)) == ["3.5 s of silence"]


def test_a_job_that_is_lost_later_is_not_this_event_s() -> None:
    one = happened(seen((101, "processing"), (104, "processing"), (110, "failed")), WELL, silence=10)
    assert len(wrong(one)) == 1
    one.jobs[0].left = 110
    assert wrong(one) == []


def test_who_has_begun_hears_when_it_goes_on() -> None:
    went_on, requeued = seen((101, "processing"), (104, "processing")), seen((101, "processing"), (104, "queued"))
    waits = seen((101, "queued"))
    assert [hears(Job(100, {}, [window]), 103) for window in (went_on, requeued, waits)] == [True, False, True]
    assert not hears(Job(100, {}, [went_on]), 105)
    assert hears(Job(100, {}, [requeued], left=105), 103)
