"""An operator's proxy before all addresses."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from support.zygotes import LOOPBACK
from unit.worker.network.test_broker import connect
from vidferry_worker.network.broker import Broker, ForbiddenAddress
from vidferry_worker.network.dial import Address
from vidferry_worker.network.proxy import Proxy, ProxyError

pytestmark = pytest.mark.anyio
V4, V6 = socket.AF_INET, socket.AF_INET6


@dataclass
class Peer:
    """A proxy of either kind, played by a script; what it was told."""

    port: int
    asked: list[bytes] = field(default_factory=list)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Peer], object]


@asynccontextmanager
async def proxy(script: Script) -> AsyncIterator[Peer]:
    peer = Peer(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await script(reader, writer, peer)  # type: ignore[misc]
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield peer


def http(status: bytes, rest: bytes = b"") -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        peer.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(status + b"\r\nVia: 1.1 test\r\n\r\n" + rest)
        await writer.drain()

    return script


def socks(method: int = 0, reply: int = 0, bound: bytes = b"\x01\0\0\0\0\0\0", rest: bytes = b"") -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        peer.asked.append(await reader.readexactly(3))
        writer.write(bytes([5, method]))
        if method == 2:
            peer.asked.append(await reader.readexactly(2 + 4 + 1 + 6))
            writer.write(b"\x01" + (b"\0" if peer.asked[-1].endswith(b"secret") else b"\x01"))
        head = await reader.readexactly(4)
        peer.asked.append(head + await reader.readexactly(18 if head[3] == 4 else 6))
        writer.write(bytes([5, reply, 0]) + bound + rest)
        await writer.drain()

    return script


async def closing(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: Peer) -> None:
    await reader.read(1)


async def test_an_http_proxy_is_asked_for_the_address() -> None:
    async with proxy(http(b"HTTP/1.1 200 Connection established", b"hello")) as peer:
        with await Proxy("http", "localhost", peer.port).dial(Address(V4, "192.0.2.7", 443)) as sock:
            assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"hello"

    assert peer.asked == [b"CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n"]


async def test_an_http_proxy_is_told_who_asks() -> None:
    async with proxy(http(b"HTTP/1.1 200 OK")) as peer:
        way = Proxy("http", "127.0.0.1", peer.port, "user", "secret")
        (await way.dial(Address(V6, "2001:db8::7", 80))).close()

    assert peer.asked[0].startswith(b"CONNECT [2001:db8::7]:80 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in peer.asked[0]


@pytest.mark.parametrize(
    ("kind", "packed"),
    [(Address(V4, "192.0.2.7", 443), b"\x01\xc0\x00\x02\x07\x01\xbb"),
     (Address(V6, "2001:db8::7", 80), b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x07\x00\x50")],
)  # fmt: skip
@pytest.mark.parametrize("bound", [b"\x01\0\0\0\0\0\0", b"\x03\x05proxy\0\0", b"\x04" + bytes(18)])
async def test_a_socks_proxy_is_asked_for_the_address(kind: Address, packed: bytes, bound: bytes) -> None:
    async with proxy(socks(bound=bound, rest=b"hello")) as peer:
        with await Proxy("socks5", "127.0.0.1", peer.port).dial(kind) as sock:
            assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"hello"

    assert peer.asked == [b"\x05\x01\x00", b"\x05\x01\x00" + packed]


async def test_a_socks_proxy_is_told_who_asks() -> None:
    async with proxy(socks(method=2)) as peer:
        (await Proxy("socks5", "127.0.0.1", peer.port, "user", "secret").dial(Address(V4, "192.0.2.7", 80))).close()

    assert peer.asked[:2] == [b"\x05\x01\x02", b"\x01\x04user\x06secret"]


@pytest.mark.parametrize(
    ("scheme", "script", "said"),
    [
        ("http", http(b"HTTP/1.1 403 Forbidden"), "answered 403"),
        ("http", http(b"HTTP/1.1 407 Proxy Authentication Required"), "answered 407"),
        ("http", http(b"SSH-2.0-x"), "no HTTP"),
        ("http", http(b"HTTP/1.1 200 " + b"x" * 9000), "too long"),
        ("socks5", socks(method=0xFF), "no such user"),
        ("socks5", socks(reply=2), "its rules forbid it"),
        ("socks5", socks(reply=99), "99"),
        ("socks5", closing, "closed"),
    ],
)
async def test_a_proxy_that_refuses(scheme: str, script: Script, said: str) -> None:
    async with proxy(script) as peer:
        with pytest.raises(ProxyError, match=said):
            await Proxy(scheme, "127.0.0.1", peer.port).dial(Address(V4, "192.0.2.7", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "." * 300])
async def test_a_proxy_that_is_away(listener: socket.socket, host: str) -> None:
    """Nothing tells where it would be: what is raised may reach a child."""
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(ProxyError) as failure:
        await Proxy("http", host, port, "user", "secret").dial(Address(V4, "192.0.2.7", 80))
    assert str(failure.value) == "the proxy can't be reached"


def test_a_url_may_have_a_user_and_a_password() -> None:
    plain = Proxy("http", "proxy.example", 3128)
    assert Proxy.parse_with_user("http://proxy.example") == plain
    assert Proxy.parse_with_user("http://us%20er:p%3A%40ss@proxy.example") == Proxy(
        "http", "proxy.example", 3128, "us er", "p:@ss"
    )
    assert Proxy.parse_with_user("socks5://u@[2001:db8::1]:9") == Proxy("socks5", "2001:db8::1", 9, "u")
    with pytest.raises(ValueError, match="must be") as failure:
        Proxy.parse_with_user("http://user:secret@[")
    assert failure.value.__suppress_context__


async def test_children_of_one_broker_may_go_out_another_way(listener: socket.socket) -> None:
    """The policy holds on each."""
    port = listener.getsockname()[1]
    async with proxy(http(b"HTTP/1.1 200 OK")) as peer:
        direct = Broker(LOOPBACK)
        other = direct.through(Proxy("http", "127.0.0.1", peer.port).dial)
        for broker in (other, direct):
            (await connect(broker, "127.0.0.1", port)).close()
            with pytest.raises(ForbiddenAddress):
                await connect(broker, "169.254.169.254", 80)

    assert [asked.split(b" ")[1] for asked in peer.asked] == [f"127.0.0.1:{port}".encode()]


async def test_the_broker_asks_the_proxy_for_what_it_resolved_and_refuses_the_rest() -> None:
    async with proxy(http(b"HTTP/1.1 200 OK")) as peer:
        broker = Broker(LOOPBACK, Proxy("http", "127.0.0.1", peer.port).dial)
        with await connect(broker, "localhost", 9):
            pass
        with pytest.raises(ForbiddenAddress):
            await connect(broker, "169.254.169.254", 80)

    assert peer.asked[0].split(b" ")[1] in {b"127.0.0.1:9", b"[::1]:9"}
    assert len(peer.asked) == 1
