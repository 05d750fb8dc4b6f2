"""WebSocket frames as bytes, after a handshake with a gateway, while another client watches."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode

from support.jobs import Job, redis_client
from support.raw_websocket import RawClient, frame, handshake
from support.redis_server import RedisServer, redis_server
from support.services import Gateway
from system.fuzz.target import TEXTS, Check, Target
from vidferry_common.store import Store

RIGHT = frozenset({1000, 1002, 1003, 1007, 1008, 1009}) | frozenset(range(4000, 5000))
"""codes by which a gateway may end a connection for what it was sent"""
CLOSE_SECONDS = "2"
"""for a client to answer a close"""
PAYLOADS = st.one_of(
    st.binary(max_size=140),
    TEXTS.map(lambda text: text.encode(errors="surrogatepass")),
    st.integers(0, 70_000).map(bytes),
    st.sampled_from([b'{"type":"subscribe"}', b"\x03\xe8", b"\x03\xe8\xff", b"\x00", b"\xff\xff", b"[" * 5000]),
)
FRAMES = st.one_of(
    st.builds(
        frame, st.integers(0, 15), PAYLOADS, fin=st.booleans(), masked=st.sampled_from([True] * 5 + [False]),
        reserved=st.sampled_from([0] * 6 + [1, 4, 7]), mask=st.binary(min_size=4, max_size=4),
    ),
    st.builds(lambda head, size, rest: bytes([head, 0xFF]) + size.to_bytes(8, "big") + rest,
              st.integers(0, 255), st.sampled_from([0, 1, 2**31, 2**63, 2**64 - 1]), st.binary(max_size=20)),
    st.binary(max_size=60),
)  # fmt: skip
TALKS = st.tuples(st.sampled_from(["/ws/download/", "/ws/downloads"]), st.lists(FRAMES, max_size=8))


@contextmanager
def _open() -> Iterator[Check]:
    with (
        redis_server() as server,
        Gateway(server.url, log_level="info", gateway_close_seconds=CLOSE_SECONDS) as gateway,
    ):
        gateway.wait_for("connected to Redis")
        job_id = asyncio.run(_create_job(server))
        with RawClient(gateway) as watcher:
            watcher.send(handshake(job_id))
            assert watcher.response()[0] == 101
            while watcher.frame().opcode is not Opcode.TEXT:
                pass

            def check(example: tuple[str, list[bytes]]) -> None:
                path, sent = example
                _talk(gateway, path, "" if path.endswith("s") else job_id, sent)
                _check_watcher(watcher)
                assert gateway.process.poll() is None
                assert not gateway.logged(level="error"), gateway.logged(level="error")

            yield check


async def _create_job(server: RedisServer) -> str:
    async with redis_client(server) as client:
        job = await Job.create(Store(client, 3600))
        await job.steps(0, 2)
        return job.id


def _talk(gateway: Gateway, path: str, job_id: str, sent: list[bytes]) -> None:
    """Says it, then nothing more; the answers are whole frames up to a close with a code that is right, or an end."""
    with RawClient(gateway) as client:
        client.send(handshake(job_id, path=path))
        assert client.response()[0] == 101
        try:
            client.send(b"".join(sent))
            with suppress(OSError):  # it has been reset
                client.socket.shutdown(socket.SHUT_WR)
            while (one := client.frame_or_end()) is not None:
                _check_frame(one)
        except ConnectionError:
            pass  # cut, with bytes of ours unread


def _check_frame(one: Frame) -> None:
    try:
        one.check()
    except ProtocolError as error:
        raise AssertionError(one) from error
    if one.opcode is Opcode.CLOSE and one.data:
        assert int.from_bytes(bytes(one.data[:2]), "big") in RIGHT or one.data[:2] in {b"\x03\xe9", b"\x03\xeb"}, one


def _check_watcher(watcher: RawClient) -> None:
    watcher.send(frame(Opcode.PING, b"there?"))
    while (one := watcher.frame()).opcode is not Opcode.PONG:
        assert one.opcode is not Opcode.CLOSE, one


TARGET = Target(TALKS, _open, round_size=25)
