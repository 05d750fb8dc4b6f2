"""`make up`: all of Vidferry on one machine, each part a process of its own under one supervisor."""

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from vidferry_common import log
from vidferry_common.notify import ReadySocket
from vidferry_common.settings import load
from vidferry_local.programs import ProgramMissing, ffmpeg_folder, redis_server
from vidferry_local.service import READY_SECONDS, Service, ServiceFailed
from vidferry_local.settings import LocalSettings

logger = logging.getLogger("vidferry_local")

MAX_SOCKET_PATH = 100
"""bytes; Linux allows 107, macOS 103"""


def main() -> None:
    settings = load(LocalSettings)
    log.set_up(settings, "up")
    try:
        with _own(settings.data) as data, _listen(settings.host, settings.port) as sockets:
            asyncio.run(_run(settings, data, sockets))
    except (ServiceFailed, ProgramMissing) as error:
        sys.exit(f"Vidferry stops: {error}")


@contextlib.contextmanager
def _own(data: Path):  # noqa: ANN202
    """The data folder, which only one supervisor uses at a time."""
    data = data.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceFailed(
            f"the folder {data} can't be used ({error.strerror}). Name another by VIDFERRY_DATA."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ServiceFailed(
            f"another Vidferry runs on the folder {data}. Stop it, or name another by VIDFERRY_DATA."
        ) from None
    try:
        yield data
    finally:
        os.close(lock)


@contextlib.contextmanager
def _listen(host: str, port: int):  # noqa: ANN202
    """Sockets bound to every address of host; the server that inherits them listens."""
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for family, kind, proto, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            sock = stack.enter_context(socket.socket(family, kind, proto))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind(address)
            except OSError as error:
                if family == socket.AF_INET6 and sockets:
                    continue  # a machine without IPv6 still names it
                raise ServiceFailed(
                    f"port {port} of {host} can't be had ({error.strerror}). Choose another by VIDFERRY_PORT."
                ) from error
            sockets.append(sock)
        yield sockets


async def _run(settings: LocalSettings, data: Path, sockets: list[socket.socket]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    services: list[Service] = []
    keepers: list[asyncio.Task[None]] = []
    with tempfile.TemporaryDirectory(prefix="vidferry-") as run_folder:
        try:
            starting = asyncio.create_task(_start(settings, data, Path(run_folder), sockets, services, keepers))
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await asyncio.wait({stopping, *keepers}, return_when=asyncio.FIRST_COMPLETED)
            else:
                starting.cancel()
            for keeper in keepers:
                if keeper.done():
                    await keeper
        finally:
            logger.info("stopping")
            for task in [stopping, *keepers]:
                task.cancel()
            for service in reversed(services):  # those that use Redis before Redis
                await service.stop()
            logger.info("stopped")


async def _start(
    settings: LocalSettings, data: Path, run_folder: Path, sockets: list[socket.socket],
    services: list[Service], keepers: list[asyncio.Task[None]],
) -> None:  # fmt: skip
    async def launch(service: Service, ready) -> None:  # noqa: ANN001
        services.append(service)
        await service.start()
        keepers.append(asyncio.create_task(service.keep()))
        await _until_ready(ready, keepers)
        logger.info("%s is up (pid %s)", service.name, service.process.pid if service.process else "?")

    env = _environment(settings, data, run_folder)
    if "VIDFERRY_REDIS_URL" not in os.environ:
        redis = Service("redis", _redis_argv(data, run_folder), env)
        await launch(redis, _redis_answers(env["VIDFERRY_REDIS_URL"]))
    python = [sys.executable, "-m"]
    with ReadySocket(run_folder / "worker.ready") as ready:
        worker = Service("worker", [*python, "vidferry_worker"], {**env, **ready.environment()})
        await launch(worker, ready.wait())
    fds = [sock.fileno() for sock in sockets]
    with ReadySocket(run_folder / "web.ready") as ready:
        web_env = {**env, **ready.environment(), "VIDFERRY_LISTEN_FDS": ",".join(map(str, fds))}
        await launch(Service("web", [*python, "vidferry_local.web"], web_env, fds), ready.wait())
    logger.info(
        "Vidferry is ready: open http://%s:%d (Ctrl-C stops it; videos are kept in %s)",
        settings.host,
        settings.port,
        data / "bucket",
    )


async def _until_ready(ready, keepers: list[asyncio.Task[None]]) -> None:  # noqa: ANN001
    waiting = asyncio.ensure_future(asyncio.wait_for(ready, READY_SECONDS))
    await asyncio.wait({waiting, *keepers}, return_when=asyncio.FIRST_COMPLETED)
    for keeper in keepers:
        if keeper.done():
            waiting.cancel()
            await keeper
    try:
        await waiting
    except TimeoutError:
        raise ServiceFailed(
            f"a part was not ready within {READY_SECONDS:.0f} s; its last lines above say why."
        ) from None


def _environment(settings: LocalSettings, data: Path, run_folder: Path) -> dict[str, str]:
    """What the services are told: the caller's environment, and what he left open."""
    env = {
        "VIDFERRY_REDIS_URL": f"unix://{_socket_path(data, run_folder)}",
        "VIDFERRY_BUCKET": f"file://{data / 'bucket'}",
        "VIDFERRY_WORKER_FOLDER": str(data / "work"),
        "VIDFERRY_GRACE": "2",
        **os.environ,
        "VIDFERRY_LOG_FORMAT": settings.log_format,
        "VIDFERRY_HOST": settings.host,
        "VIDFERRY_PORT": str(settings.port),
        "PYTHONUNBUFFERED": "1",
    }
    if "VIDFERRY_SIGNING_KEY" not in env:
        env["VIDFERRY_SIGNING_KEY"] = _signing_key(data / "signing-key")
    if folder := ffmpeg_folder(data / "bin"):
        env["PATH"] = f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def _signing_key(path: Path) -> str:
    """Made once: links outlive a restart."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _socket_path(data: Path, run_folder: Path) -> Path:
    path = data / "redis" / "redis.sock"
    return path if len(os.fsencode(path)) <= MAX_SOCKET_PATH else run_folder / "redis.sock"


def _redis_argv(data: Path, run_folder: Path) -> list[str]:
    folder = data / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0", "unixsocket": str(_socket_path(data, run_folder)), "unixsocketperm": "700", "dir": str(folder),
        "appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction",
        "logfile": str(folder / "redis.log"), "daemonize": "no",
    }  # fmt: skip
    return [redis_server(), *[part for name, value in options.items() for part in (f"--{name}", value)]]


async def _redis_answers(url: str) -> None:
    async with Redis.from_url(url) as redis:
        while True:
            try:
                await redis.ping()
            except (RedisError, OSError):
                await asyncio.sleep(0.05)
            else:
                return
