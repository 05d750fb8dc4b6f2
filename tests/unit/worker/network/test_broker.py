import contextlib
import socket

import pytest

from support.children import open_files
from support.zygotes import LOOPBACK
from vidferry_common.metrics.catalogue import EgressRefusal
from vidferry_worker.network.broker import Broker, ForbiddenAddress
from vidferry_worker.network.dial import dial_directly
from vidferry_worker.network.egress import EgressPolicy

pytestmark = pytest.mark.anyio


async def connect(broker: Broker, host: str, port: int, seconds: float = 10) -> socket.socket:
    """For a child of its own."""
    return await broker.connect(host, port, seconds, broker.new_lookup_quota())


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def connected(listener: socket.socket) -> bool:
    """Whether somebody waits to be accepted: a handshake on loopback is done when connect has returned."""
    with contextlib.suppress(BlockingIOError):
        listener.accept()[0].close()
        return True
    return False


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "0.0.0.0", "127.1", "2130706433"])
async def test_what_is_forbidden_is_never_connected(host: str, listener: socket.socket) -> None:
    policy = EgressPolicy((), frozenset({port_of(listener)}))

    refusals: list[EgressRefusal] = []
    broker = Broker(policy, count_refusal=refusals.append)

    with pytest.raises(ForbiddenAddress):
        await connect(broker, host, port_of(listener))

    assert not connected(listener)
    with pytest.raises(ForbiddenAddress):
        await connect(broker.through(dial_directly), host, port_of(listener))
    assert refusals == [EgressRefusal.NOT_PUBLIC] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
async def test_what_is_allowed_is_connected_and_carries_bytes(host: str, listener: socket.socket) -> None:
    with await connect(Broker(LOOPBACK), host, port_of(listener)) as ours:
        peer, _ = listener.accept()
        with peer:
            ours.setblocking(True)
            ours.sendall(b"GET")
            peer.setblocking(True)
            assert peer.recv(9) == b"GET"
            peer.sendall(b"200")
            assert ours.recv(9) == b"200"


async def test_the_broker_keeps_no_socket(listener: socket.socket) -> None:
    before = set(open_files().values())
    for _ in range(5):
        (await connect(Broker(LOOPBACK), "127.0.0.1", port_of(listener))).close()
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(Broker(LOOPBACK), "127.0.0.1", 1)

    # What an earlier test left may be closed meanwhile; nothing new may be open.
    assert set(open_files().values()) <= before


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("a" * 64 + ".example", 80), ("a" * 254, 80), ("", 80), ("a..example", 80), ("\ud800.example", 80),
        ("a\x00b", 80), ("127.0.0.1", 0), ("127.0.0.1", -1), ("127.0.0.1", 65536), ("127.0.0.1", 10**400),
    ],
    ids=lambda value: f"{value!r}"[:20],
)  # fmt: skip
async def test_nonsense_is_no_host_and_port(host: str, port: int) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the resolver words some of them
        await connect(Broker(LOOPBACK), host, port)


async def test_patience_that_is_no_number_is_bounded(listener: socket.socket) -> None:
    (await connect(Broker(LOOPBACK), "127.0.0.1", port_of(listener), float("nan"))).close()


@pytest.mark.parametrize("seconds", [0, -5])
async def test_no_patience_is_a_timeout(seconds: float, listener: socket.socket) -> None:
    with pytest.raises(TimeoutError):
        await connect(Broker(LOOPBACK), "127.0.0.1", port_of(listener), seconds)


async def test_a_connection_that_the_other_end_refuses_fails(listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = port_of(closed)

    with pytest.raises(ConnectionRefusedError):
        await connect(Broker(LOOPBACK), "127.0.0.1", port)


async def test_one_that_does_not_answer_times_out() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # what doesn't fit into the backlog gets no answer to its SYN
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())

        with pytest.raises(TimeoutError):
            await connect(Broker(LOOPBACK), "127.0.0.1", port_of(full), 0.2)
