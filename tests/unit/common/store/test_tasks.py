import asyncio

import pytest

from support.records import Records
from vidferry_common.contract import keys
from vidferry_common.store import TaskQueue

pytestmark = pytest.mark.anyio

NAME = "errands"


@pytest.fixture
def queue(records: Records) -> TaskQueue:
    return records.store.tasks(NAME)


async def come_due(records: Records, task_id: str) -> None:
    """As if the hold were over."""
    await records.redis.zadd(keys.TASKS + NAME, {task_id: 0})


async def test_a_task_is_taken_once_and_keeps_its_fields(queue: TaskQueue) -> None:
    await queue.add("a", url="https://example.com/", tries=2)
    await queue.add("a", url="another")
    (task,), due = await queue.take(5, hold=30)
    assert (task.id, task.taken, task.fields) == ("a", 1, {"url": "https://example.com/", "tries": "2"})
    assert due is not None
    assert 29 < due <= 30
    assert (await queue.take(5, hold=30))[0] == []


async def test_one_is_taken_when_it_is_due_and_the_earliest_first(queue: TaskQueue) -> None:
    for task_id, delay in (("late", 60), ("now", 0), ("also", 0)):
        await queue.add(task_id, delay)
    tasks, due = await queue.take(2, hold=90)
    assert {task.id for task in tasks} == {"now", "also"}
    assert due is not None
    assert 59 < due <= 60


async def test_the_task_of_a_dead_worker_is_done_again_and_its_late_word_counts_for_nothing(
    queue: TaskQueue, records: Records
) -> None:
    await queue.add("a")
    (first,), _ = await queue.take(1, hold=30)
    await come_due(records, "a")
    (second,), _ = await queue.take(1, hold=30)
    assert second.taken == 2
    assert await queue.hold({"a": first.taken}, 30) == {"a"}
    assert not await queue.put_back(first)
    assert not await queue.finish(first)
    assert await queue.hold({"a": second.taken}, 30) == set()
    assert await queue.finish(second)
    assert not [key async for key in records.redis.scan_iter(keys.TASKS + "*") if not key.endswith(b"doorbell")]


async def test_one_that_was_held_on_is_not_due(queue: TaskQueue, records: Records) -> None:
    await queue.add("a")
    (task,), _ = await queue.take(1, hold=30)
    await come_due(records, "a")
    await queue.hold({"a": task.taken}, 30)
    assert (await queue.take(1, hold=30))[0] == []


async def test_one_that_is_put_back_waits_and_keeps_what_was_told(queue: TaskQueue) -> None:
    await queue.add("a", place=0)
    (task,), _ = await queue.take(1, hold=30)
    assert await queue.put_back(task, delay=5, place=17)
    assert (await queue.take(1, hold=30))[1] == pytest.approx(5, abs=1)
    assert await queue.put_back(task, place=18)
    (again,), _ = await queue.take(1, hold=30)
    assert (again.taken, again.fields) == (2, {"place": "18"})


async def test_an_added_task_ends_the_wait(queue: TaskQueue) -> None:
    await queue.add("a")
    await queue.wait_for_task(600)


async def test_one_that_is_put_back_for_now_ends_the_wait(queue: TaskQueue) -> None:
    await queue.add("a")
    await queue.wait_for_task(30)
    (task,), _ = await queue.take(1, hold=30)
    assert await queue.put_back(task)
    async with asyncio.timeout(20):
        await queue.wait_for_task(30)


async def test_one_whose_record_is_lost_leaves_the_queue(queue: TaskQueue, records: Records) -> None:
    await records.redis.zadd(keys.TASKS + NAME, {"lost": 0})
    assert await queue.take(1, hold=30) == ([], None)
