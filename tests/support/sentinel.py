"""A primary, its replica and three Sentinels, as processes: a failover begins when a test says so."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from support.ports import free_port
from support.redis_server import RedisServer, program

NAME = "vidferry-test"
PATIENT, HASTY = 3_600_000, 500
"""milliseconds without an answer after which a server counts as down: before a test wants it so, and then"""
SECONDS = 60


def until(condition: Callable[[], bool], what: str) -> None:
    """Asks until it holds; a server that doesn't answer is asked again."""
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, f"not in {SECONDS} s: {what}"
        time.sleep(0.02)


def client(port: int, **options: Any) -> Any:
    return Redis(port=port, socket_timeout=5, decode_responses=True, **options)


class SentinelProcess:
    """One Sentinel on a free port, and on a Unix socket in its folder."""

    def __init__(self, primary: int, quorum: int, *lines: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vidferry-sentinel-"))
        self.socket_path = self.folder / "socket"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = self.folder / "sentinel.conf"
        self._config.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.socket_path}\ndir {self.folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}\n"
            f"sentinel down-after-milliseconds {NAME} {PATIENT}\nsentinel failover-timeout {NAME} 5000\n"
            + "".join(f"{line}\n" for line in lines)
        )

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/{NAME}/0"

    def start(self, **options: Any) -> Self:
        """Returns when it answers; options are those of a client."""
        self.client = client(self.port, **options)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program(), self._config, "--sentinel"], stdout=log, stderr=log)
        until(self.client.ping, "the Sentinel answers")
        return self

    def ask(self, *words: str | int) -> Any:
        return self.client.execute_command("SENTINEL", *words)

    def close(self) -> None:
        """May be called again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class SentinelSet:
    """The whole of it."""

    def __init__(self) -> None:
        self.servers = [RedisServer("--repl-diskless-sync-delay", "0", tcp=True)]
        self.servers.append(
            RedisServer("--replicaof", f"127.0.0.1 {self.servers[0].port}", "--repl-diskless-sync-delay", "0", tcp=True)
        )
        self.sentinels = [SentinelProcess(self.servers[0].port, 2) for _ in range(3)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    @property
    def primary(self) -> RedisServer:
        """As all Sentinels say."""
        (port,) = {int(sentinel.ask("get-master-addr-by-name", NAME)[1]) for sentinel in self.sentinels}
        return next(server for server in self.servers if server.port == port)

    def start(self) -> Self:
        """Returns when each knows all others."""
        for server in self.servers:
            server.start()
        for sentinel in self.sentinels:
            sentinel.start()
        until(lambda: all(map(self._complete, self.sentinels)), "the Sentinels know each other and the replica")
        return self

    def replicated(self) -> None:
        """Returns when the replica has all that was written so far."""
        with client(self.primary.port) as redis:
            redis.set("test:marker", 1)
            assert redis.wait(1, SECONDS * 1000) == 1

    def clients(self) -> list[dict[str, str]]:
        """Of the primary, as it lists them."""
        with client(self.primary.port) as redis:
            found: list[dict[str, str]] = redis.client_list()
        return found

    def fail_over(self) -> None:
        """The Sentinels notice that the primary is down; returns when they agree on another."""
        gone = self.primary.port
        for sentinel in self.sentinels:
            sentinel.ask("set", NAME, "down-after-milliseconds", HASTY)
        self._agree_on_another(gone)

    def switch(self) -> None:
        """The Sentinels make the replica the primary, although nothing is down."""
        gone = self.primary.port
        self.sentinels[0].ask("failover", NAME)
        self._agree_on_another(gone)

    def close(self) -> None:
        for sentinel in self.sentinels:
            sentinel.close()
        for server in self.servers:
            server.close()

    def _agree_on_another(self, gone: int) -> None:
        until(
            lambda: gone not in {int(each.ask("get-master-addr-by-name", NAME)[1]) for each in self.sentinels},
            "the Sentinels agree on another primary",
        )

    def _complete(self, sentinel: SentinelProcess) -> bool:
        known = sentinel.client.sentinel_masters()[NAME]
        return (known["num-other-sentinels"], known["num-slaves"]) == (2, 1) and not known["is_disconnected"]


@contextlib.contextmanager
def sentinel_set() -> Iterator[SentinelSet]:
    """Running, and gone with all its files afterwards."""
    found = SentinelSet()
    try:
        yield found.start()
    finally:
        found.close()
