"""Tasks: small pieces of work that workers do beside the downloads, each on the queue of its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidferry_common.contract import keys
from vidferry_common.store.scripts import ScriptRunner


@dataclass(frozen=True, slots=True)
class Task:
    """A task that a worker has taken."""

    id: str
    taken: int
    """how often it has been taken, this time included: the fence"""
    fields: Mapping[str, str]
    """what its record says beside that"""
    lost: int = 0
    """how many workers were lost with it: they took it, and neither ended it nor put it back"""


class TaskQueue:
    """One kind's queue of tasks in Redis. Every method raises StoreUnavailable where Redis can't be asked.

    A task is done at least once: one whose worker dies is due again when the worker's hold is over.
    """

    def __init__(self, scripts: ScriptRunner, name: str) -> None:
        self._scripts, self._key = scripts, keys.TASKS + name

    async def add(self, task_id: str, delay: float = 0, **fields: str | float) -> None:
        """Adds a task that is due in delay seconds, unless one with that id is there."""
        await self._run("add_task", id=task_id, delay_ms=int(delay * 1000), fields=_flatten(fields))

    async def wait_for_task(self, seconds: float) -> None:
        """Returns when a task was added, or after that many seconds. Holds a connection to Redis meanwhile."""
        timeout: Any = seconds  # redis-py's types allow whole seconds only
        await self._scripts.await_reply(self._scripts.redis.blpop([self._key + keys.TASK_DOORBELL], timeout=timeout))

    async def ring_doorbell(self) -> None:
        """Wakes a worker that waits for a task."""
        await self._scripts.await_reply(self._scripts.redis.lpush(self._key + keys.TASK_DOORBELL, "1"))

    async def take(self, count: int, hold: float) -> tuple[list[Task], float | None]:
        """Takes up to count tasks for hold seconds each. Also the seconds until another is due, or None."""
        return parse_tasks(await self._run("take_tasks", count=count, hold_ms=int(hold * 1000)))

    async def hold(self, tasks: Mapping[str, int], hold: float) -> set[str]:
        """Holds tasks, {id: taken}, for hold seconds from now. Returns the ids of those that were lost to others."""
        lost = await self._run("hold_tasks", hold_ms=int(hold * 1000), tasks=tasks)
        return {task_id.decode() for task_id in lost}

    async def finish(self, task: Task) -> bool:
        """Ends a task; False where another worker has taken it."""
        return bool(await self._run("release_task", id=task.id, taken=task.taken))

    async def put_back(self, task: Task, delay: float = 0, **fields: str | float) -> bool:
        """Lets a task be done again in delay seconds; False where another worker has taken it already."""
        delay_ms = int(delay * 1000)
        return bool(
            await self._run("release_task", id=task.id, taken=task.taken, delay_ms=delay_ms, fields=_flatten(fields))
        )

    async def _run(self, script: str, **arguments: Any) -> Any:
        return await self._scripts.run(script, [self._key], **arguments)


def _flatten(fields: Mapping[str, Any]) -> list[str]:
    return [str(item) for pair in fields.items() for item in pair]


def parse_tasks(reply: list[Any]) -> tuple[list[Task], float | None]:
    """What the scripts that take tasks return: the tasks, and the seconds until another is due, or None."""
    due_ms, *flat = reply
    found = [_parse_task(task_id, record) for task_id, record in zip(flat[::2], flat[1::2], strict=True)]
    return found, due_ms / 1000 if due_ms >= 0 else None


def _parse_task(task_id: bytes, record: list[bytes]) -> Task:
    fields = {name.decode(): value.decode() for name, value in zip(record[::2], record[1::2], strict=True)}
    taken = int(fields.pop("taken"))
    return Task(task_id.decode(), taken, fields, max(0, taken - 1 - int(fields.pop("put_back", 0))))
