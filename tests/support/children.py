"""A download by a real child, from the order to its last event."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidferry_worker.children.child import Child
from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.protocol import (
    Done,
    DownloadOrder,
    FileDescription,
    GoOrder,
    LookOrder,
    LookPurpose,
    VideosListed,
    to_message,
)
from vidferry_worker.children.session import ChildSession, ExtractionLimits
from vidferry_worker.children.zygote import Zygote

SECONDS = 60


@dataclass
class Outcome:
    """What a child told."""

    folder: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def failure(self) -> str | None:
        last = self.events[-1]
        return last["code"] if last["event"] == "failed" else None

    @property
    def description(self) -> FileDescription:
        """Of the file, in the end."""
        done = parse_event(self.events[-1])
        assert isinstance(done, Done)
        return done.description

    @property
    def file(self) -> Path:
        assert self.events[-1]["event"] == "done", self.events[-1]
        return self.folder / str(self.events[-1]["file"])


def order(child: Child, url: str, fmt: str = "1080-any", **limits: Any) -> None:
    told: dict[str, Any] = {"max_duration": 3600, "max_bytes": 10**9, "stall_seconds": 30, **limits}
    child.send_order(DownloadOrder(url, fmt, **told))


async def next_event(child: Child) -> dict[str, Any]:
    """What it tells next, as it has told it; ChildEnded."""
    return to_message(await child.next_report())


async def begin(zygote: Zygote, folder: Path, url: str, fmt: str = "1080-any", fragments: int = 1) -> Child:
    """A child that was told to download what it found."""
    child = await zygote.fork(folder)
    order(child, url, fmt)
    async with asyncio.timeout(SECONDS):
        while (await next_event(child))["event"] != "found":
            pass
    child.send_order(GoOrder(fragments))
    return child


async def download(
    zygote: Zygote,
    folder: Path,
    url: str,
    fmt: str = "1080-any",
    *,
    growing: bool = False,
    fragments: int = 1,
    **limits: Any,
) -> Outcome:
    """All of it."""
    outcome = Outcome(folder)
    child = await zygote.fork(folder)
    try:
        order(child, url, fmt, **limits)
        async with asyncio.timeout(SECONDS):
            while True:
                outcome.events.append(await next_event(child))
                match outcome.events[-1]["event"]:
                    case "found":
                        child.send_order(GoOrder(fragments, growing))
                    case "done" | "failed":
                        return outcome
    finally:
        await child.close()


async def list_videos(zygote: Zygote, folder: Path, url: str, **asked: Any) -> list[VideosListed]:
    """What a child lists of what is at a URL, as it comes; JobFailure."""
    child = await zygote.fork(folder)
    session = ChildSession(child, ExtractionLimits(SECONDS, SECONDS))
    told: dict[str, Any] = {"most": 1000, **asked}
    pages: list[VideosListed] = []
    try:
        async with contextlib.aclosing(
            session.look(LookOrder(LookPurpose.LIST, url, "1080-any", 30, **told))
        ) as reports:
            async for report in reports:
                assert isinstance(report, VideosListed)
                pages.append(report)
                if report.done:
                    break
    finally:
        await child.close()
    return pages


async def eventually(check: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    """Until what check() awaits is true; TimeoutError where it does not become so."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)


async def until(check: Callable[[], object], seconds: float = 20) -> None:
    """As eventually, of something that need not be awaited."""

    async def checked() -> object:
        return check()

    await eventually(checked, seconds)


def processes() -> dict[int, list[str]]:
    """The fields of /proc/<pid>/stat from the state on, of everything that runs and is no zombie."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("latin-1").rpartition(") ")[2].split()
        except OSError:  # it has just ended
            continue
        if fields[0] not in "ZX":
            found[int(path.parent.name)] = fields
    return found


def members(group: int) -> set[int]:
    """The pids of a process group."""
    return {pid for pid, fields in processes().items() if int(fields[2]) == group}


def children_of(parent: int) -> set[int]:
    return {pid for pid, fields in processes().items() if int(fields[1]) == parent}


def descendants(pid: int) -> set[int]:
    """All that a process has started, and what that has started."""
    found, new = set[int](), children_of(pid)
    while new:
        found |= new
        new = set[int]().union(*(children_of(each) for each in new)) - found
    return found


def program(pid: int) -> str:
    """What a process was started as, empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def environment(pid: int) -> bytes:
    """What a process was given when it was executed."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def limits(pid: int) -> dict[str, list[str]]:
    """Soft and hard limit by name."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def open_files(pid: int | str = "self") -> dict[int, str]:
    """Where a process's descriptors lead."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(path.name)] = str(path.readlink())
        except FileNotFoundError:  # the one by which the folder is read
            continue
    return found
