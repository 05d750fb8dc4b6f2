import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from support.redis_server import RedisServer
from vidferry_common.store import RedisSettings, Store, Task, TaskQueue, connect_redis
from vidferry_worker.tasks.task_loop import TaskLoop

pytestmark = pytest.mark.anyio

HOLD = 0.3
NAME = "errands"


@pytest.fixture
async def store(redis: RedisServer) -> AsyncIterator[Store]:
    client = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
    await client.flushall()
    yield Store(client, 3600)
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def queue(store: Store) -> TaskQueue:
    return store.tasks(NAME)


@contextlib.asynccontextmanager
async def running(
    queue: TaskQueue, handle: Callable[[Task], Awaitable[None]], slots: int = 2, hold: float = 30
) -> AsyncIterator[None]:
    loop = asyncio.create_task(TaskLoop(queue, handle, slots=slots, hold=hold).run())
    try:
        yield
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


async def test_as_many_are_done_at_once_as_there_are_slots(queue: TaskQueue) -> None:
    begun: asyncio.Queue[str] = asyncio.Queue()
    go_on = asyncio.Event()

    async def handle(task: Task) -> None:
        begun.put_nowait(task.id)
        await go_on.wait()
        await queue.finish(task)

    for task_id in "abc":
        await queue.add(task_id)
    async with running(queue, handle):
        first = {await begun.get(), await begun.get()}
        assert begun.empty()
        go_on.set()
        assert first | {await begun.get()} == set("abc")


async def test_tasks_have_begun_before_more_are_taken(queue: TaskQueue) -> None:
    """Whoever takes them may count what is being done. A task that is added meanwhile has the loop look at once."""
    begun: list[str] = []
    counts: list[int] = []
    done = asyncio.Event()

    async def handle(task: Task) -> None:
        begun.append(task.id)
        await asyncio.Event().wait()

    async def take(count: int, hold: float) -> tuple[list[Task], float | None]:
        counts.append(len(begun))
        if len(counts) > 1:
            done.set()
        loop._changed.set()
        return await queue.take(count, hold)

    await queue.add("a")
    loop = TaskLoop(queue, handle, slots=2, hold=HOLD, take=take)
    running_loop = asyncio.create_task(loop.run())
    await done.wait()
    running_loop.cancel()
    await asyncio.wait({running_loop})
    assert counts[:2] == [0, 1]


async def test_a_long_task_is_held_on(queue: TaskQueue) -> None:
    """Two loops stand for two workers: the second one would take over what the first does not hold."""
    times = 0
    done = asyncio.Event()

    async def handle(task: Task) -> None:
        nonlocal times
        times += 1
        await asyncio.sleep(4 * HOLD)  # the length of the work
        assert await queue.finish(task)
        done.set()

    await queue.add("long")
    async with running(queue, handle, hold=HOLD), running(queue, handle, hold=HOLD):
        await done.wait()
    assert times == 1


async def test_who_has_lost_a_task_stops_doing_it(queue: TaskQueue) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(_: Task) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await queue.add("a")
    async with running(queue, handle, hold=HOLD):
        await begun.wait()
        assert await queue.finish(Task("a", 1, {}))
        await ended.wait()


async def test_a_worker_that_stops_puts_its_tasks_back(queue: TaskQueue) -> None:
    begun = asyncio.Event()

    async def handle(_: Task) -> None:
        begun.set()
        await asyncio.Event().wait()

    await queue.add("a")
    async with running(queue, handle):
        await begun.wait()
    (task,), _ = await queue.take(1, HOLD)
    assert (task.taken, task.lost) == (2, 0)
    await queue.hold({"a": 2}, 0)  # its worker is lost
    (task,), _ = await queue.take(1, HOLD)
    assert (task.taken, task.lost) == (3, 1)


async def test_a_handler_that_fails_ends_nothing(queue: TaskQueue, caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def handle(task: Task) -> None:
        if task.id == "bad":
            raise ValueError(task.id)
        await queue.finish(task)
        done.set()

    await queue.add("bad")
    async with running(queue, handle, slots=1):
        await queue.add("good")
        await done.wait()
    assert [record.message for record in caplog.records] == ["a task failed unexpectedly"]
    _, due = await queue.take(1, HOLD)
    assert due is not None
    assert 50 < due <= 60
