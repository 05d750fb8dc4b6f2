"""The worker's side of a zygote: starts it, and has it fork and kill children."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextvars import Context
from pathlib import Path

from vidferry_common.metrics.catalogue import SANDBOX_PARTS
from vidferry_common.text import redact_site_text
from vidferry_worker.children import wire
from vidferry_worker.children.child import Child, ChildEnded
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.children.engine import Engine, image_engine
from vidferry_worker.children.template import Template
from vidferry_worker.children.work_dir import clear_folder_in_thread
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.dial import Dial

logger = logging.getLogger(__name__)

READY_SECONDS = 120
MAX_LINE = 2000
"""characters that are logged of what it writes"""
KILLED = -9


class SandboxMissing(Exception):
    """The kernel can't confine children as VIDFERRY_SANDBOX=required demands."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(
            f"the kernel, or the container's seccomp profile, does not allow {' and '.join(missing)}, which confine "
            "downloads. VIDFERRY_SANDBOX=preferred runs downloads without the missing part; see SECURITY.md for "
            "what that means."
        )


class BundleBroken(Exception):
    """A bundle's yt-dlp can't be loaded."""


class BundleSilent(BundleBroken):
    """A bundle's yt-dlp was not loaded in time."""


class Zygote:
    """The warm process that children are forked from. It is started again if it has died."""

    def __init__(
        self,
        broker: Broker,
        confinement: Confinement = Confinement(),  # noqa: B008 - frozen
        folder: Path | None = None,
        bundle: Path | None = None,
        engine: Engine | None = None,
    ) -> None:
        """folder: for the children's folders. bundle: the code of a yt-dlp other than the image's, which is the engine.

        A bundle has all of folder: its children, and what it is loaded in, can write there and nowhere else.
        """
        self._broker, self._confinement = broker, confinement
        self._folder, self._bundle = folder, bundle
        self.engine = engine or image_engine()
        """the yt-dlp that its children run"""
        self._folder_names: set[str] = set()
        """of the children's folders that are in use"""
        self._is_closed = False
        self.template: Template | None = None
        self.sandbox_parts: tuple[str, ...] = ()
        """the parts of the sandbox that the kernel supports, of SANDBOX_PARTS"""
        self.browsers: tuple[str, ...] = ()
        """that its children can impersonate, as yt-dlp names them; empty where it is a bundle's, which is not asked"""
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[None] | None = None
        self._forking: deque[Child] = deque()
        self._children: dict[int, Child] = {}
        self._lock = asyncio.Lock()
        self._log: asyncio.Task[None] | None = None
        self._problem, self._is_silent = "", False

    async def fork(self, folder: Path, dial: Dial | None = None) -> Child:
        """A new child, in that folder; it waits for its first order. dial: its way out; None: the broker's own.

        ChildEnded where the zygote was closed or can't be started.
        """
        async with self._lock:
            await self._ensure_started()
        assert self._control is not None
        ours, theirs = wire.socket_pair()
        with theirs:
            try:
                wire.send(self._control, {"op": "fork", "folder": str(folder)}, [theirs.fileno()])
            except OSError:  # it has died, and its end has not been read yet
                ours.close()
                raise
        broker = self._broker.through(dial) if dial else self._broker
        child = Child(ours, broker, self.kill, folder)
        child.is_of_bundle = self._bundle is not None
        child.engine = self.engine
        self._forking.append(child)
        try:
            await asyncio.shield(child.forked)
        except asyncio.CancelledError:
            await asyncio.shield(child.close())
            raise
        return child

    @contextlib.asynccontextmanager
    async def open_folder(self, name: str) -> AsyncIterator[Path]:
        """A new folder for a child that is about to be forked; it is removed in the end. OSError."""
        assert self._folder
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        self._folder_names.add(name)
        try:
            yield folder
        finally:
            removal = clear_folder_in_thread(folder)
            removal.add_done_callback(lambda _: self._folder_names.discard(name))
            await asyncio.shield(removal)

    @property
    def is_idle(self) -> bool:
        """Whether it has no child, and none of their folders is in use. What a bundle still writes doesn't count."""
        return not (self._children or self._forking or self._folder_names)

    def _has_foreign_files(self) -> bool:
        """Whether something is in the folder of a bundle but the folders that its children use."""
        assert self._folder
        with contextlib.suppress(OSError):
            return not set(os.listdir(self._folder)) <= self._folder_names  # noqa: PTH208 - names are all that is needed
        return False

    async def _remove_foreign_files(self) -> None:
        """Removes what a bundle has left that was ended; nothing writes to it any more."""
        assert self._folder
        names = await asyncio.to_thread(os.listdir, self._folder)
        for name in set(names) - self._folder_names:
            await clear_folder_in_thread(self._folder / name)

    @property
    def children(self) -> list[Child]:
        """The running children."""
        return list(self._children.values())

    @property
    def watched(self) -> list[Child | Template]:
        """The running children, and the template of a bundle: everything whose resources are bounded."""
        return [*self.children, *([self.template] if self.template else [])]

    def kill(self, child: Child) -> None:
        if self._control is None or child.exited.done():
            return
        with contextlib.suppress(OSError):
            wire.send(self._control, {"op": "kill", "pid": child.pid})

    async def start(self) -> None:
        async with self._lock:
            await self._ensure_started()

    async def close(self) -> None:
        """Ends the zygote and all children, for good."""
        self._is_closed = True
        self._kill_process()
        async with self._lock:  # a start that is under way fails
            if self._process is None:
                return
            await self._process.wait()
            if self._log:
                await self._log
            self._handle_death()

    def _kill_process(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _ensure_started(self) -> None:
        if self._control is not None:
            self._check_loaded()
            return
        if self._is_closed:
            raise ChildEnded("the zygote was closed")
        if self._bundle:
            await self._remove_foreign_files()
        ours, theirs = wire.socket_pair()
        ours.setblocking(False)
        with theirs:
            try:
                self._process = await self._spawn_process(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        if self._is_closed:
            self._kill_process()
        self._control = ours
        self._ready = asyncio.get_running_loop().create_future()
        # In a context of its own: it outlives the attempt that starts it, and logs what any child writes.
        self._log = asyncio.create_task(_log_lines(self._process), context=Context())
        asyncio.get_running_loop().add_reader(ours, self._read_message)
        self._problem = ""
        await asyncio.wait_for(self._ready, READY_SECONDS)
        if self._confinement.sandbox is Sandbox.REQUIRED and (missing := self.missing_sandbox_parts):
            raise SandboxMissing(missing)
        self._check_loaded()

    def _check_loaded(self) -> None:
        if self._problem:
            raise (BundleSilent if self._is_silent else BundleBroken)(self._problem)

    async def _spawn_process(self, control: int) -> asyncio.subprocess.Process:
        # Isolated (-I) and with an environment of its own: it gets nothing of the worker's, least of all secrets.
        program, bundle = "vidferry_worker.child.zygote", []
        if self._bundle:
            program, bundle = "vidferry_worker.child.bundle_zygote", [str(self._bundle), str(self._folder)]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", program, str(control), str(os.getpid()), self._confinement.to_argument(),
            *bundle, pass_fds=(control,), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            env=_clean_environment(),
        )  # fmt: skip

    @property
    def missing_sandbox_parts(self) -> list[str]:
        """The parts of the sandbox that children run without."""
        return [part for part in SANDBOX_PARTS if part not in self.sandbox_parts]

    def _read_message(self) -> None:
        assert self._control is not None
        try:
            message, _ = wire.receive(self._control)
        except BlockingIOError:
            return
        except (OSError, wire.WireError):
            message = None
        if message is None:
            self._handle_death()
        elif "ready" in message:
            self.sandbox_parts = tuple(message["confined_by"])
            self.browsers = tuple(message.get("browsers", ()))
            if "template" in message:
                self.template = Template(message["template"], self._has_foreign_files, self._kill_process)
                self._problem, self._is_silent = message["problem"], message["silent"]
            if self._ready and not self._ready.done():
                self._ready.set_result(None)
        elif "forked" in message:
            self._register_child(message["forked"])
        elif (ended := self._children.pop(message["exited"], None)) and not ended.exited.done():
            ended.exited.set_result(message["status"])

    def _register_child(self, pid: int) -> None:
        child = self._forking.popleft()
        child.pid = pid
        self._children[pid] = child
        child.forked.set_result(None)

    def _handle_death(self) -> None:
        """The zygote is gone, and its children with it. What they started is killed by their process groups."""
        if self._control is None:
            return
        for pid in self._children:
            # The number of a process group is not reused while the group has a member.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        if self.template:
            self.template.end()
            self.template = None
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
        text = line.decode(errors="replace").rstrip()[:MAX_LINE]
        logger.warning("the zygote wrote", extra={"text": redact_site_text(text)})
