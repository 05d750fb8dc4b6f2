"""Names whose server does not answer: they hold up nobody but who asked for them."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vidferry_worker.network.resolver import MAX_LOOKUPS, MAX_LOOKUPS_PER_CHILD, LookupQuota, Resolver, TooManyLookups

pytestmark = pytest.mark.anyio
SILENT = "silent.example"
GOOD = "good.example"
ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("192.0.2.1", 80))]


class NameServer:
    """In getaddrinfo's place: it answers GOOD at once, and other names only once it is told to."""

    def __init__(self) -> None:
        self.speaks = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, *_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror
        self.asked.append(host)
        if host != GOOD:
            assert self.speaks.wait(60)
        return ANSWER


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    found = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found
    found.speaks.set()


async def begun(server: NameServer, count: int) -> None:
    while len(server.asked) < count:  # noqa: ASYNC110 - threads set no event of ours
        await asyncio.sleep(0)


async def give_up(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_child_that_waits_for_names_keeps_nobody_else_waiting(server: NameServer) -> None:
    resolver = Resolver()
    greedy = LookupQuota(resolver)
    waiting = [asyncio.create_task(greedy.look_up(SILENT, 80)) for _ in range(2 * MAX_LOOKUPS)]
    await begun(server, MAX_LOOKUPS_PER_CHILD)

    assert await asyncio.wait_for(LookupQuota(resolver).look_up(GOOD, 80), 10) == ANSWER
    assert server.asked.count(SILENT) == MAX_LOOKUPS_PER_CHILD
    await give_up(waiting)


async def test_who_gives_up_does_not_get_another_thread_for_it(server: NameServer) -> None:
    quota = LookupQuota(Resolver())
    for _ in range(2):
        waiting = [asyncio.create_task(quota.look_up(SILENT, 80)) for _ in range(MAX_LOOKUPS_PER_CHILD)]
        await begun(server, MAX_LOOKUPS_PER_CHILD)
        await give_up(waiting)

    assert server.asked == [SILENT] * MAX_LOOKUPS_PER_CHILD
    server.speaks.set()
    assert await asyncio.wait_for(quota.look_up(GOOD, 80), 10) == ANSWER


async def test_all_together_are_bounded(server: NameServer) -> None:
    resolver = Resolver()
    waiting = [asyncio.create_task(LookupQuota(resolver).look_up(SILENT, 80)) for _ in range(MAX_LOOKUPS)]
    await begun(server, MAX_LOOKUPS)

    with pytest.raises(TooManyLookups):
        await LookupQuota(resolver).look_up(GOOD, 80)
    await give_up(waiting)


async def test_an_address_needs_no_thread() -> None:
    before = set(threading.enumerate())
    (found,) = await LookupQuota(Resolver()).look_up("127.1", 80)

    assert found[4] == ("127.0.0.1", 80)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("name", ["no-such-host.invalid", "x" * 64 + ".invalid", "a..b", "\ud800.invalid"])
async def test_what_is_no_name_has_no_address(name: str) -> None:
    with pytest.raises((OSError, UnicodeError)):
        await asyncio.wait_for(LookupQuota(Resolver()).look_up(name, 80), 30)
