"""Several addresses of one name."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from support.children import open_files
from unit.worker.network.test_broker import port_of
from vidferry_worker.network import dial
from vidferry_worker.network.dial import Address

pytestmark = pytest.mark.anyio
V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def silent() -> Iterator[Address]:
    """One that answers no SYN."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield Address(V4, "127.0.0.1", port_of(full))


def address(listener: socket.socket) -> Address:
    return Address(V4, "127.0.0.1", port_of(listener))


async def test_one_that_does_not_answer_is_not_waited_for(silent: Address, listener: socket.socket) -> None:
    async with asyncio.timeout(10):
        with await dial.dial_first([silent, address(listener)], dial.dial_directly) as connected:
            assert connected.getpeername() == listener.getsockname()


async def test_the_next_is_tried_at_once_where_one_refuses(listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = address(closed)
    begun = asyncio.get_running_loop().time()
    with await dial.dial_first([refusing, refusing, address(listener)], dial.dial_directly):
        assert asyncio.get_running_loop().time() - begun < dial.ATTEMPT_DELAY


async def test_none_answers(listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = address(closed)
    with pytest.raises(ConnectionRefusedError):
        await dial.dial_first([refusing, refusing], dial.dial_directly)
    with pytest.raises(OSError, match="no address"):
        await dial.dial_first([], dial.dial_directly)


async def test_what_comes_too_late_is_closed(silent: Address, listener: socket.socket) -> None:
    """Both those that still try and one that connects beside the first."""
    both = asyncio.Barrier(2)

    async def together(to: Address) -> socket.socket:
        sock = await dial.dial_directly(to)
        await both.wait()
        return sock

    before = set(open_files().values())
    with await dial.dial_first([address(listener), address(listener)], together):
        pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await dial.dial_first([silent, silent], dial.dial_directly)
    assert set(open_files().values()) <= before


def test_families_take_turns() -> None:
    six, four = [Address(V6, f"2001:db8::{n}", 80) for n in (1, 2, 3)], [Address(V4, "192.0.2.1", 80)]

    assert dial.interleave_families([*six, *four]) == [six[0], four[0], six[1], six[2]]
    assert dial.interleave_families([]) == []
