"""Hostile code in a child: what it tries is refused, and works where the sandbox is off."""

import asyncio
import contextlib
import os
import platform
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.attacks import ATTACKS
from support.children import members, processes, until
from support.hostile_children import attacking, hostile_zygote, outcome
from support.zygotes import LOOPBACK
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children import folder_tree
from vidferry_worker.children.child import ChildEnded
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.children.resource_monitor import ResourceLimits, ResourceMonitor
from vidferry_worker.children.zygote import SandboxMissing, Zygote

pytestmark = pytest.mark.anyio
BOUNDED = {
    "many_processes", "many_threads", "many_files", "many_small_files", "files_without_a_name",
    "folders_within_folders", "one_large_file", "much_memory", "shared_memory", "memory_of_several", "all_the_memory",
    "memory_of_sockets", "memory_of_tables", "memory_at_once", "memory_in_files",
}  # fmt: skip
KILLED = {"another_architectures_calls"}
HARMLESS = {
    "flooding", "endless_work", "javascript", "a_process_that_stays", "writing_on", "naming_extractors",
    "naming_extractors_first", "outdated", "pages_of_a_file", "limited", "removed",
}  # fmt: skip
TRIED = sorted(set(ATTACKS) - BOUNDED - KILLED - HARMLESS)
# Without a sandbox too: user namespaces by many a container, and in every chroot; keys by a container's own filter.
IS_FILTERED = "\nSeccomp:\t0\n" not in Path("/proc/self/status").read_text()
REFUSED_ANYWAY = {"a_user_namespace", "a_user_namespace_by_clone3"} | ({"keys"} if IS_FILTERED else set())
GIB = 1024**3
CONTENT = b"canary: not the child's"


@dataclass
class Canaries:
    """What an attack is aimed at, and whether it was reached."""

    folder: Path
    sockets: dict[str, socket.socket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file = self.folder / "outside" / "canary"
        self.file.parent.mkdir()
        self.file.write_bytes(CONTENT)
        self.abstract = f"vidferry-canary-{os.getpid()}-{self.folder.name}"
        self._listen("tcp", socket.AF_INET, ("127.0.0.1", 0))
        self._listen("public", socket.AF_INET, ("127.0.0.1", 0))
        self._listen("unix", socket.AF_UNIX, str(self.folder / "unix"))
        self._listen("abstract", socket.AF_UNIX, "\0" + self.abstract)
        self._listen("udp", socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
        self._listen("datagram", socket.AF_UNIX, str(self.folder / "datagram"), socket.SOCK_DGRAM)
        self._before = self._state()

    def _listen(self, name: str, family: int, address: Any, kind: int = socket.SOCK_STREAM) -> None:
        sock = self.sockets[name] = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen()

    def target(self) -> dict[str, Any]:
        return {
            "file": str(self.file), "worker": os.getpid(), "abstract": self.abstract,
            **{name: self.sockets[name].getsockname()[1] for name in ("tcp", "udp", "public")},
            **{name: self.sockets[name].getsockname() for name in ("unix", "datagram")},
        }  # fmt: skip

    def reached(self) -> list[str]:
        """Those sockets that somebody has connected or sent to; and the file, where it was changed."""
        return [name for name, sock in self.sockets.items() if name != "public" and _has_guests(sock)] + (
            ["file"] if self._state() != self._before else []
        )

    def _state(self) -> object:
        found = self.file.stat() if self.file.exists() else None
        return found and (found.st_mode, found.st_mtime_ns, found.st_nlink, self.file.read_bytes())

    def close(self) -> None:
        for sock in self.sockets.values():
            sock.close()


def _has_guests(sock: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        if sock.type == socket.SOCK_DGRAM:
            return bool(sock.recv(100))
        sock.accept()[0].close()
        return True
    return False


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    found = Canaries(tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="module")
async def confined(
    worker_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Zygote]:
    async with hostile_zygote(LOOPBACK, Confinement(), tmp_path_factory.mktemp("confined")) as zygote:
        assert zygote.missing_sandbox_parts == []
        yield zygote


@pytest.fixture(scope="module")
async def unconfined(
    worker_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Zygote]:
    home = tmp_path_factory.mktemp("unconfined")
    async with hostile_zygote(LOOPBACK, Confinement(sandbox=Sandbox.OFF), home) as zygote:
        yield zygote


@pytest.fixture(scope="module", params=[1, 3, 5])
async def confined_by_older_landlock(
    request: pytest.FixtureRequest, worker_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Zygote]:
    """As SECURITY.md lists them, by the version of its interface."""
    home = tmp_path_factory.mktemp("older")
    async with hostile_zygote(LOOPBACK, Confinement(), home, landlock_abi=request.param) as zygote:
        assert zygote.missing_sandbox_parts == []
        yield zygote


@pytest.mark.parametrize("attack", TRIED)
async def test_an_attack_is_refused(attack: str, confined: Zygote, canaries: Canaries, tmp_path: Path) -> None:
    await check_refused(attack, confined, canaries, tmp_path)


@pytest.mark.parametrize("attack", TRIED)
async def test_also_on_older_kernels(
    attack: str, confined_by_older_landlock: Zygote, canaries: Canaries, tmp_path: Path
) -> None:
    await check_refused(attack, confined_by_older_landlock, canaries, tmp_path)


async def check_refused(attack: str, confined: Zygote, canaries: Canaries, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", attack, canaries.target()) as child:
        found = await outcome(child)

    # ffmpeg tells by its messages alone that it did not get anywhere.
    assert found["worked"] is False or attack == "ffmpeg_reaching_an_address", found
    assert canaries.reached() == []


@pytest.mark.parametrize("attack", [attack for attack in TRIED if attack not in REFUSED_ANYWAY])
async def test_without_the_sandbox_it_works(
    attack: str, unconfined: Zygote, canaries: Canaries, tmp_path: Path
) -> None:
    """Else the test above would prove nothing."""
    async with attacking(unconfined, tmp_path / "job", attack, canaries.target()) as child:
        found = await outcome(child)

    assert found["worked"] is True, found
    assert "reaching" not in attack or canaries.reached() == ["tcp"]


async def test_the_javascript_runtime_works_in_it(confined: Zygote, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", "javascript", {}) as child:
        found = await outcome(child)

    assert found["worked"] is True, found


@pytest.mark.parametrize("attack", sorted(KILLED) if platform.machine() == "x86_64" else [])
async def test_calls_of_another_numbering_end_the_child(attack: str, confined: Zygote, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", attack, {}) as child:
        with pytest.raises(ChildEnded):
            await outcome(child)
        assert await asyncio.wait_for(child.exited, 20) == -signal.SIGSYS


@pytest.mark.parametrize("attack", ["one_large_file", "much_memory"])
async def test_a_process_is_bounded(attack: str, tmp_path: Path) -> None:
    bounds = Confinement(max_bytes=10**6, memory=512 * 1024**2)
    async with hostile_zygote(LOOPBACK, bounds, tmp_path) as zygote:
        for size, worked in ((10**6, True), (600 * 1024**2, False)):
            async with attacking(zygote, tmp_path / str(size), attack, {"bytes": size}) as child:
                assert (await outcome(child))["worked"] is worked


@pytest.mark.parametrize(
    ("attack", "bounds", "code"),
    [
        ("many_files", ResourceLimits(10**6, 10**9, GIB), ErrorCode.TOO_LARGE),
        ("many_files", ResourceLimits(10**9, 10**6, GIB), ErrorCode.DISK_FULL),
        ("files_without_a_name", ResourceLimits(10**6, 10**9, GIB), ErrorCode.TOO_LARGE),
        ("many_processes", ResourceLimits(10**9, 10**9, GIB), ErrorCode.RESOURCES_EXCEEDED),
        ("many_threads", ResourceLimits(10**9, 10**9, GIB), ErrorCode.RESOURCES_EXCEEDED),
        ("shared_memory", ResourceLimits(10**9, 10**9, GIB // 2), ErrorCode.RESOURCES_EXCEEDED),
        ("memory_of_several", ResourceLimits(10**9, 10**9, GIB // 2), ErrorCode.RESOURCES_EXCEEDED),
        ("memory_of_sockets", ResourceLimits(10**9, 10**9, GIB), ErrorCode.RESOURCES_EXCEEDED),
        ("memory_of_tables", ResourceLimits(10**9, 10**9, GIB // 2), ErrorCode.RESOURCES_EXCEEDED),
        ("folders_within_folders", ResourceLimits(10**9, 10**9, GIB), ErrorCode.RESOURCES_EXCEEDED),
        ("many_small_files", ResourceLimits(10**9, 10**9, GIB), ErrorCode.RESOURCES_EXCEEDED),
    ],
)
async def test_a_child_that_takes_too_much_is_ended(
    attack: str,
    bounds: ResourceLimits,
    code: ErrorCode,
    confined: Zygote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(folder_tree, "MAX_ENTRIES", 2000)
    (tmp_path / "good").mkdir()
    good = await confined.fork(tmp_path / "good")
    watch = asyncio.create_task(ResourceMonitor(confined, bounds).run())
    try:
        async with attacking(confined, tmp_path / "job", attack, {"count": 40, "bytes": 10**5}) as child:
            found = await outcome(child)
            assert (found["event"], found["code"]) == ("failed", code)
            await until(lambda: not members(child.pid))
        assert good.pid in processes()
    finally:
        watch.cancel()
        await good.close()
        folder_tree.remove(tmp_path / "job")  # pytest can't remove folders nested that deep


async def test_a_child_that_works_without_end_is_ended(confined: Zygote, tmp_path: Path) -> None:
    watch = asyncio.create_task(ResourceMonitor(confined, ResourceLimits(10**9, 10**9, GIB)).run())
    try:
        async with attacking(confined, tmp_path / "job", "endless_work", {}) as child:
            child.max_cpu_seconds = 1
            found = await outcome(child)
            assert (found["event"], found["code"]) == ("failed", ErrorCode.RESOURCES_EXCEEDED)
            assert "of a processor" in found["detail"]
    finally:
        watch.cancel()


async def test_a_child_within_its_bounds_stays(confined: Zygote, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", "many_files", {"count": 40, "bytes": 10**5}) as child:
        await until((tmp_path / "job" / "39").exists)
        await ResourceMonitor(confined, ResourceLimits(5 * 10**6, 5 * 10**6, GIB)).check_children([child])

        assert not child.exited.done()
        assert child.pid in processes()


async def test_nothing_outlives_a_zygote_that_is_killed(tmp_path: Path) -> None:
    async with (
        hostile_zygote(LOOPBACK, Confinement(), tmp_path) as zygote,
        attacking(zygote, tmp_path / "job", "a_process_that_stays", {}) as child,
    ):
        await outcome(child)
        assert len(members(child.pid)) == 2
        assert zygote._process is not None
        zygote._process.kill()
        await until(lambda: not members(child.pid))


# Where the kernel lacks a part: a filter around the zygote refuses it that call.


@pytest.mark.parametrize(("missing", "call"), [("landlock", "landlock_create_ruleset"), ("seccomp", "seccomp")])
async def test_a_sandbox_that_is_required_is_not_done_without(missing: str, call: str, tmp_path: Path) -> None:
    with pytest.raises(SandboxMissing, match=rf"does not allow {missing}, .*VIDFERRY_SANDBOX=preferred"):
        async with hostile_zygote(LOOPBACK, Confinement(), tmp_path, without=call):
            pytest.fail("it has started")


@pytest.mark.parametrize(
    ("missing", "call", "attack"),
    [("landlock", "landlock_create_ruleset", "udp"), ("seccomp", "seccomp", "reading_a_file")],
)
async def test_one_that_is_preferred_is_what_there_is(
    missing: str, call: str, attack: str, canaries: Canaries, tmp_path: Path
) -> None:
    preferred = Confinement(sandbox=Sandbox.PREFERRED)
    async with hostile_zygote(LOOPBACK, preferred, tmp_path, without=call) as zygote:
        assert zygote.missing_sandbox_parts == [missing]
        async with attacking(zygote, tmp_path / "job", attack, canaries.target()) as child:
            assert (await outcome(child))["worked"] is False
