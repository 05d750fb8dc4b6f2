"""The programs that are compared, each started as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from support.redis_server import RedisServer
from support.services import Gateway

BUSY_REDIS = {"log_level": "info", "gateway_max_sockets_per_address": "100000", "gateway_origins": "http://localhost"}
"""all that may be asked of a client is asked, and metrics are counted anyhow"""


@dataclass
class Running:
    """One of them, with its sockets."""

    pid: int
    port: int
    send: Callable[[float, float], int] | None = None
    """(frames a second, seconds): where it makes what it sends by itself; how many it sent"""


@dataclass(frozen=True)
class Contender:
    name: str
    start: Callable[[RedisServer, int], object]
    """a context manager that gives a Running; the number is of its sockets"""
    replays: bool = False


@contextmanager
def gateway(server: RedisServer, _: int, **settings: str) -> Iterator[Running]:
    with Gateway(server.url, **{**BUSY_REDIS, **settings}) as process:
        process.wait_for("connected to Redis")
        yield Running(process.pid, process.port)


@contextmanager
def _program(module: str, argument: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"bench.servers.{module}", argument],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "tests"},
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def on_redis(module: str) -> Callable[[RedisServer, int], object]:
    @contextmanager
    def start(server: RedisServer, _: int) -> Iterator[Running]:
        with _program(module, str(server.socket_path)) as (process, port):
            yield Running(process.pid, port)

    return start


@contextmanager
def bare(_: RedisServer, sockets: int) -> Iterator[Running]:
    with _program("bare", str(sockets)) as (process, port):

        def send(rate: float, seconds: float) -> int:
            say: IO[str] | None = process.stdin
            hear: IO[str] | None = process.stdout
            assert say is not None
            assert hear is not None
            print(rate, seconds, file=say, flush=True)
            return int(hear.readline())

        yield Running(process.pid, port, send)


BARE = Contender("bare `send`", bare)
GATEWAY = Contender("the gateway", gateway, replays=True)
BROADCAST = Contender("websockets' `broadcast`", on_redis("broadcast"))
NAIVE = Contender("the naive way", on_redis("naive"))
ALL = (BARE, GATEWAY, BROADCAST, NAIVE)
