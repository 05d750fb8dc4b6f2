"""A job that a test moves on, from a thread in which playwright runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import BlockingPortal, start_blocking_portal

from support.jobs import Job, redis_client
from support.redis_server import RedisServer
from vidferry_common.store import Store


class World:
    """Its coroutines run in a loop of another thread: playwright keeps the test's."""

    def __init__(self, portal: BlockingPortal, store: Store) -> None:
        self.portal = portal
        self.job = portal.call(Job.create, store)

    def steps(self, first: int, last: int) -> None:
        self.portal.call(self.job.steps, first, last)

    def finish(self) -> None:
        self.portal.call(self.job.finish)


@contextmanager
def world(server: RedisServer) -> Iterator[World]:
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(redis_client(server)) as client,
    ):
        yield World(portal, Store(client, 3600))
