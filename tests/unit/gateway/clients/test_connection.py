"""Clients that are deaf or slow: found out by a ping or by what piles up, and nobody else's trouble."""

import asyncio
import ctypes
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from support.gateway_fixtures import OpenStore, StartGateway
from support.jobs import Job
from support.ports import free_port
from support.raw_websocket import RawClient, frame, handshake
from support.redis_server import RedisServer
from support.scrape import Admin
from support.services import Gateway
from support.watchers import STEPS, TIMEOUT, Seen, listen, received

pytestmark = pytest.mark.anyio

PIDFD_GETFD = 438
"""the system call's number, on all of Linux's architectures"""


async def test_a_client_that_never_reads_is_closed_and_costs_the_others_nothing(
    impatient_gateway: Gateway, job: Job
) -> None:
    with RawClient(impatient_gateway, receive_buffer=4096) as deaf:
        deaf.send(handshake(job.id))
        assert deaf.response()[0] == 101
        async with connect(impatient_gateway.uri(job.id)) as reader:
            await listen(reader, received(1))
            reading = asyncio.ensure_future(listen(reader, received(303)))
            await job.steps(0, 3)
            for number in range(300):
                await job.progress(20 + number / 100)
            seen = await reading
            assert seen.progress[3:] == [round(20 + number / 100, 2) for number in range(300)]
            deadline = time.monotonic() + TIMEOUT
            while not is_cut(deaf):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            await job.steps(3, 11)
            await job.finish()
            assert (await listen(reader)).progress == STEPS[3:]


def is_cut(client: RawClient) -> bool:
    """Whether the gateway has let go of the connection: a write to it is refused."""
    try:
        client.send(frame(10))
    except OSError:
        return True
    return False


def unsent_bytes(client: RawClient) -> int:
    """What the gateway's kernel holds for it (proc_net_tcp(5): local address, remote address, state, tx:rx queue)."""
    ends = client.socket.getpeername()[1], client.socket.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == ends:
            return int(queues.split(":")[0], 16)
    raise AssertionError("no such connection")


def showing(percent: float) -> Callable[[Seen], bool]:
    return lambda seen: seen.progress[-1:] == [round(percent, 2)]


async def test_what_a_client_that_never_reads_makes_this_end_hold(
    start_gateway: StartGateway, shared_redis: RedisServer, store_of: OpenStore
) -> None:
    """Kernel and process together. Without SO_SNDBUF and a low high-water it was 3.8 MiB."""
    admin = Admin(free_port())
    gateway = start_gateway(
        shared_redis.url, admin_port=str(admin.port), gateway_slow_seconds="100", log_level="info"
    )  # fmt: skip
    await gateway.connected()
    job = await Job.create(await store_of(shared_redis))
    with RawClient(gateway, receive_buffer=4096) as deaf:
        deaf.send(handshake(job.id))
        assert deaf.response()[0] == 101
        async with connect(gateway.uri(job.id)) as reader:
            await job.steps(0, 3)
            largest = 0
            for percent in range(21, 41):
                for number in range(20):
                    await job.progress(percent + number / 100)
                await listen(reader, showing(percent + 0.19))
                found = await asyncio.to_thread(admin.scrape)
                largest = max(largest, unsent_bytes(deaf) + int(found.value("vidferry_gateway_slow_bytes")))
            assert found.value("vidferry_gateway_slow_sockets") == 1
            assert found.value("vidferry_gateway_messages_held_total") > 200
            assert 16 * 1024 < largest < 64 * 1024
            await job.steps(3, 11)
            await job.finish()
            assert (await listen(reader)).code == 1000
        frames, code = await asyncio.to_thread(deaf.frames_to_close)
    seen = [json.loads(bytes(each.data))["data"]["progress"] for each in frames if each.opcode is Opcode.TEXT]
    assert [value for value in seen if value in STEPS] == STEPS, "no step is dropped, whatever is"
    assert code == 1000


async def test_files_beside_it_keep_their_large_buffers(
    start_gateway: StartGateway, shared_redis: RedisServer, job: Job
) -> None:
    """SO_SNDBUF is set at the upgrade, not on the listener. The kernel doubles what it is told (socket(7))."""
    gateway = start_gateway(shared_redis.url)
    await gateway.connected()
    with RawClient(gateway) as plain, RawClient(gateway) as upgraded:
        plain.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert plain.response()[0] == 200
        upgraded.send(handshake(job.id))
        assert upgraded.response()[0] == 101
        assert send_buffer(gateway, upgraded) == 32 * 1024
        assert send_buffer(gateway, plain) > 64 * 1024


def send_buffer(gateway: Gateway, client: RawClient) -> int:
    """The gateway's SO_SNDBUF of that connection, read through a copy of its descriptor (pidfd_getfd(2))."""
    peer = client.socket.getsockname()
    pidfd = os.pidfd_open(gateway.process.pid)
    try:
        for link in Path(f"/proc/{gateway.process.pid}/fd").iterdir():
            if not str(link.readlink()).startswith("socket:"):
                continue
            copy = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, int(link.name), 0)
            assert copy >= 0, os.strerror(ctypes.get_errno())
            with socket.socket(fileno=copy) as found:
                if found.family == socket.AF_INET and is_peer(found, peer):
                    return found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    finally:
        os.close(pidfd)
    raise AssertionError("no such connection")


def is_peer(found: socket.socket, peer: object) -> bool:
    try:
        return bool(found.getpeername() == peer)
    except OSError:  # a listener
        return False


async def test_a_slow_client_that_reads_on_is_told_why_it_was_closed(impatient_gateway: Gateway, job: Job) -> None:
    with RawClient(impatient_gateway, receive_buffer=4096) as slow:
        slow.send(handshake(job.id))
        assert slow.response()[0] == 101
        for number in range(300):
            await job.progress(20 + number / 100)
        await asyncio.to_thread(impatient_gateway.wait_for, "client is too slow")
        assert (await asyncio.to_thread(slow.frames_to_close))[1] == 4008


async def test_pings_of_a_client_that_does_not_read_pile_up_nothing(impatient_gateway: Gateway, job: Job) -> None:

    def flood() -> int:
        with RawClient(impatient_gateway, receive_buffer=4096) as client:
            client.send(handshake(job.id))
            client.response()
            client.socket.settimeout(10)
            sent = 0
            try:
                while sent < 100_000_000:
                    sent += client.socket.send(frame(9, b"x" * 125) * 500)
            except OSError:
                return sent
            return sent

    assert await asyncio.to_thread(flood) < 20_000_000
