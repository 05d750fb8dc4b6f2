"""The worker's side of the zygote and of the children forked from it. What a child says is not trusted."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.identity import site_at
from vidferry_common.metrics.catalogue import SANDBOX_PARTS
from vidferry_worker.children import protocol, wire
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.children.protocol import (
    ConnectAnswer,
    ConnectRequest,
    Event,
    Extractors,
    Failed,
    InvalidEventError,
    LogLine,
    Order,
    Report,
)
from vidferry_worker.network.broker import Broker, Refused

logger = logging.getLogger(__name__)

MAX_EVENTS = 64
"""of one child that nobody has looked at yet; then it has to wait, as its line is not read any further"""
EVENTS_A_SECOND, MAX_BURST = 500, 1000
"""of one child, of all kinds: what a fast site's many fragments take is a tenth of it"""
PAUSE_SECONDS = 0.1
MAX_CONNECTING = 64
MAX_SITES = 256
"""of one child that are remembered"""
READY_SECONDS = 60
KILLED = -9


class ChildEnded(Exception):
    """The child ended without saying how its download went."""


class SandboxMissing(Exception):
    """The kernel can't hold children as VIDFERRY_SANDBOX=required asks."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            f"the kernel, or the container's seccomp profile, does not allow {' and '.join(missing)}, which confine "
            "downloads. VIDFERRY_SANDBOX=preferred runs downloads without the missing part; see SECURITY.md for "
            "what that means."
        )


class Child:
    """One download's process, and the line to it."""

    def __init__(self, channel: socket.socket, broker: Broker, zygote: "Zygote", folder: Path) -> None:
        self._channel, self._broker, self._zygote = channel, broker, zygote
        self.folder = folder
        self._names = broker.share()
        self._events: asyncio.Queue[Report | None] = asyncio.Queue()
        self._is_reading, self._is_over = False, False
        self._allowance, self._allowed_at = float(MAX_BURST), time.monotonic()
        self._connecting: set[asyncio.Task[None]] = set()
        self.pid = 0
        self.cpu_seconds: float | None = None
        """the most that it and its programs may take by now, None where nothing bounds them besides the kernel"""
        self.refused = False
        """whether the last address that it asked for is one that downloads may not reach"""
        self.extractors: frozenset[str] = frozenset()
        """that it named before it asked for a connection: nobody else could have had a say in that"""
        self.sites: set[str] = set()
        """that it was connected to"""
        self._has_asked = False
        self.forked: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        channel.setblocking(False)
        wire.refuse_files(channel)
        self._read_on()

    def order(self, order: Order) -> None:
        self._send(order.to_message())

    async def event(self) -> Report:
        """What the child tells next; ChildEnded where it ended instead."""
        event = await self._events.get()
        self._read_on()
        if event is None:
            raise ChildEnded
        return event

    def fail(self, code: ErrorCode, detail: str) -> None:
        """Ends the child, and tells whoever reads its events that it failed."""
        self._events.put_nowait(Failed(code, detail))
        self._zygote.kill(self)

    async def close(self) -> None:
        """Ends the child and everything it started; returns when all of it is gone. May be called again."""
        if self._channel.fileno() < 0:
            return
        self._is_over = True
        self._pause()
        await self.forked
        self._zygote.kill(self)
        await self.exited
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        self._channel.close()

    def _read_on(self) -> None:
        """Reads the child's line, unless enough is unread or it has said too much of late."""
        if self._is_reading or self._is_over or self._events.qsize() >= MAX_EVENTS:
            return
        now = time.monotonic()
        earned = (now - self._allowed_at) * EVENTS_A_SECOND
        self._allowance, self._allowed_at = min(self._allowance + earned, MAX_BURST), now
        loop = asyncio.get_running_loop()
        if self._allowance < 1:
            loop.call_later(PAUSE_SECONDS, self._read_on)
            return
        loop.add_reader(self._channel, self._read)
        self._is_reading = True

    def _pause(self) -> None:
        if self._is_reading:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._is_reading = False

    def _read(self) -> None:
        try:
            message = wire.receive_alone(self._channel)
            event = protocol.parse_event(message) if message is not None else None
        except BlockingIOError:
            return
        except (OSError, wire.WireError, InvalidEventError) as error:
            logger.warning("the connection to a child broke", extra={"pid": self.pid, "error": str(error)})
            self._zygote.kill(self)
            event = None
        self._allowance -= 1
        if event is None:
            self._is_over = True
            self._events.put_nowait(None)
        else:
            self._take(event)
        if self._is_over or self._events.qsize() >= MAX_EVENTS or self._allowance < 1:
            self._pause()
            self._read_on()

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectRequest):
            self._connect(event)
        elif isinstance(event, LogLine):
            logger.debug("yt-dlp: %s", event.text, extra={"pid": self.pid})
        elif isinstance(event, Extractors):
            if not self._has_asked:
                self.extractors = frozenset(event.extractors)
        else:
            self._events.put_nowait(event)

    def _connect(self, request: ConnectRequest) -> None:
        self._has_asked = True
        if len(self._connecting) >= MAX_CONNECTING:
            self._send(ConnectAnswer(request.id, "too many connections at once").to_message())
            return
        task = asyncio.create_task(self._serve(request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _serve(self, request: ConnectRequest) -> None:
        """Connects for the child, and answers: without an answer its thread would wait for ever."""
        connected = None
        try:
            connected = await self._broker.connect(request.host, request.port, request.timeout, self._names)
            answer = ConnectAnswer(request.id)
        except Refused as refusal:
            answer = ConnectAnswer(request.id, str(refusal), forbidden=True)
        except TimeoutError:
            answer = ConnectAnswer(request.id, "the connection timed out", timed_out=True)
        except OSError as error:
            answer = ConnectAnswer(request.id, f"could not connect: {error}")
        self.refused = answer.forbidden
        if connected is None:
            self._send(answer.to_message())
            return
        if len(self.sites) < MAX_SITES:
            self.sites.add(site_at(request.host, request.port))
        with connected:
            self._send(answer.to_message(), [connected.fileno()])

    def _send(self, message: wire.Message, fds: list[int] | None = None) -> None:
        with contextlib.suppress(OSError):  # a child that is gone, or reads nothing, gets no answer
            wire.send(self._channel, message, fds)


class Zygote:
    """The warm process that children are forked from; started again where it died."""

    def __init__(self, broker: Broker, confinement: Confinement = Confinement()) -> None:  # noqa: B008 - frozen
        self._broker, self._confinement = broker, confinement
        self.confined_by: tuple[str, ...] = ()
        """the parts of the sandbox that the kernel has, of SANDBOX_PARTS"""
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[None] | None = None
        self._forking: deque[Child] = deque()
        self._children: dict[int, Child] = {}
        self._lock = asyncio.Lock()
        self._log: asyncio.Task[None] | None = None

    async def fork(self, folder: Path) -> Child:
        """A new child, waiting in folder for its first order."""
        async with self._lock:
            await self._start()
        assert self._control is not None
        ours, theirs = wire.pair()
        with theirs:
            try:
                wire.send(self._control, {"op": "fork", "folder": str(folder)}, [theirs.fileno()])
            except OSError:  # it has died, which is not read yet
                ours.close()
                raise
        child = Child(ours, self._broker, self, folder)
        self._forking.append(child)
        try:
            await asyncio.shield(child.forked)
        except asyncio.CancelledError:
            await child.close()
            raise
        return child

    @property
    def children(self) -> list[Child]:
        """Those that run."""
        return list(self._children.values())

    def kill(self, child: Child) -> None:
        if self._control is None or child.exited.done():
            return
        with contextlib.suppress(OSError):
            wire.send(self._control, {"op": "kill", "pid": child.pid})

    async def start(self) -> None:
        async with self._lock:
            await self._start()

    async def close(self) -> None:
        """Ends the zygote and all children."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._log:
            await self._log
        self._lost()

    async def _start(self) -> None:
        if self._control is not None:
            return
        ours, theirs = wire.pair()
        ours.setblocking(False)
        with theirs:
            try:
                self._process = await self._execute(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self._control = ours
        self._ready = asyncio.get_running_loop().create_future()
        self._log = asyncio.create_task(_log_lines(self._process))
        asyncio.get_running_loop().add_reader(ours, self._read)
        await asyncio.wait_for(self._ready, READY_SECONDS)
        if self._confinement.sandbox is Sandbox.REQUIRED and (missing := self.lacking()):
            raise SandboxMissing(missing)

    async def _execute(self, control: int) -> asyncio.subprocess.Process:
        # Isolated (-I) and in an environment of its own: nothing of the worker's, secrets above all, goes along.
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "vidferry_worker.child.zygote", str(control), str(os.getpid()),
            self._confinement.to_argument(), pass_fds=(control,), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            env=_clean_environment(),
        )  # fmt: skip

    def lacking(self) -> list[str]:
        """The parts of the sandbox that children run without."""
        return [part for part in SANDBOX_PARTS if part not in self.confined_by]

    def _read(self) -> None:
        assert self._control is not None
        try:
            message, _ = wire.receive(self._control)
        except BlockingIOError:
            return
        except (OSError, wire.WireError):
            message = None
        if message is None:
            self._lost()
        elif "ready" in message:
            self.confined_by = tuple(message["confined_by"])
            if self._ready and not self._ready.done():
                self._ready.set_result(None)
        elif "forked" in message:
            child = self._forking.popleft()
            child.pid = message["forked"]
            self._children[child.pid] = child
            child.forked.set_result(None)
        elif (ended := self._children.pop(message["exited"], None)) and not ended.exited.done():
            ended.exited.set_result(message["status"])

    def _lost(self) -> None:
        """The zygote is gone, and its children with it: what they started, by their groups."""
        if self._control is None:
            return
        for pid in self._children:
            # A group's number is nobody else's while it has a member.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        if self._ready and not self._ready.done():
            self._ready.set_exception(ChildEnded("the zygote did not start"))
        for child in [*self._forking, *self._children.values()]:
            for ended, result in ((child.forked, None), (child.exited, KILLED)):
                if not ended.done():
                    ended.set_result(result)
        self._forking.clear()
        self._children.clear()


def _clean_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "YTDLP_NO_PLUGINS": "1"}


async def _log_lines(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:  # longer than the reader's limit
            continue
        if not line:
            return
        logger.warning("zygote: %s", line.decode(errors="replace").rstrip()[:2000])
