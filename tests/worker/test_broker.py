import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy
from worker.conftest import LOOPBACK
from worker.downloads import open_files

pytestmark = pytest.mark.anyio
STRICT = EgressPolicy((), frozenset())


class Answers:
    """What a child would have got, its sockets kept open as it would."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.sockets: list[socket.socket] = []

    def __call__(self, message: dict[str, Any], fds: list[int]) -> None:
        self.messages.append(message)
        self.sockets += [socket.socket(fileno=os.dup(fd)) for fd in fds]


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers()
    yield found
    for sock in found.sockets:
        sock.close()


def request(host: Any, port: Any, timeout: Any = 10) -> dict[str, Any]:
    return {"event": "connect", "id": 7, "host": host, "port": port, "timeout": timeout}


async def serve(broker: Broker, asked: dict[str, Any], answer: Any) -> bool:
    """For a child of its own."""
    return await broker.serve(asked, answer, broker.share())


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
async def test_what_is_forbidden_is_never_connected(host: str, listener: socket.socket, answers: Answers) -> None:
    policy = EgressPolicy((), frozenset({port_of(listener)}))

    assert await serve(Broker(policy), request(host, port_of(listener)), answers) is False

    (answer,) = answers.messages
    assert (answer["id"], answer["forbidden"], answers.sockets) == (7, True, [])
    assert not connected(listener)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
async def test_what_is_allowed_is_connected_and_carries_bytes(
    host: str, listener: socket.socket, answers: Answers
) -> None:
    assert await serve(Broker(LOOPBACK), request(host, port_of(listener)), answers) is True

    assert answers.messages == [{"id": 7}]
    (ours,) = answers.sockets
    peer, _ = listener.accept()
    with peer:
        ours.setblocking(True)
        ours.sendall(b"GET")
        peer.setblocking(True)
        assert peer.recv(9) == b"GET"
        peer.sendall(b"200")
        assert ours.recv(9) == b"200"


async def test_the_broker_keeps_no_socket(listener: socket.socket, answers: Answers) -> None:
    before = set(open_files().values())
    for _ in range(5):
        await serve(Broker(LOOPBACK), request("127.0.0.1", port_of(listener)), lambda _, __: None)
        await serve(Broker(LOOPBACK), request("127.0.0.1", 1), answers)

    # What an earlier test left may be closed meanwhile; nothing new may be open.
    assert set(open_files().values()) <= before


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("a" * 64 + ".example", 80), ("a" * 254, 80), ("", 80), ("a..example", 80), ("\ud800.example", 80),
        ("a\x00b", 80), ("127.0.0.1", 0), ("127.0.0.1", -1), ("127.0.0.1", 65536), ("127.0.0.1", "http"),
        ("127.0.0.1", None), ("127.0.0.1", []), (None, 80), ([1], 80), ("127.0.0.1", float("inf")),
        ("127.0.0.1", float("nan")), ("127.0.0.1", 10**400),
    ],
    ids=lambda value: f"{value!r}"[:20],
)  # fmt: skip
async def test_nonsense_is_answered(host: Any, port: Any, answers: Answers) -> None:
    """Without an answer the child's thread would wait for ever."""
    assert await serve(Broker(LOOPBACK), request(host, port), answers) is True

    (answer,) = answers.messages
    assert answer["id"] == 7
    assert answer["error"]


async def test_patience_that_is_no_number_is_bounded(listener: socket.socket, answers: Answers) -> None:
    await serve(Broker(LOOPBACK), request("127.0.0.1", port_of(listener), float("nan")), answers)

    assert answers.messages == [{"id": 7}]


@pytest.mark.parametrize("seconds", [0, -5, "soon", None, 10**400])
async def test_nonsense_as_patience_is_answered(seconds: Any, listener: socket.socket, answers: Answers) -> None:
    await serve(Broker(LOOPBACK), request("127.0.0.1", port_of(listener), seconds), answers)

    (answer,) = answers.messages
    assert answer["error"]


async def test_a_refused_connection_is_told(answers: Answers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = port_of(closed)

    assert await serve(Broker(LOOPBACK), request("127.0.0.1", port), answers) is True

    (answer,) = answers.messages
    assert answer["error"].startswith("could not connect: ")
    assert "forbidden" not in answer


async def test_one_that_does_not_answer_times_out(answers: Answers) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # what doesn't fit into the backlog gets no answer to its SYN
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())

        assert await serve(Broker(LOOPBACK), request("127.0.0.1", port_of(full), 0.2), answers) is True

    (answer,) = answers.messages
    assert answer["timed_out"] is True
