"""The zygote and its children, as real processes that really die."""

import asyncio
import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ffmpeg
from support.children import (
    begin,
    children_of,
    download,
    environment,
    limits,
    members,
    next_event,
    open_files,
    order,
    processes,
    program,
    until,
)
from support.origin.site import Site
from support.zygotes import LOOPBACK, SECRET
from vidferry_worker.children.child import Child, ChildEnded
from vidferry_worker.children.protocol import StopOrder
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.egress import EgressPolicy

pytestmark = pytest.mark.anyio
HLS = "/hls/master.m3u8"


def pid_of(zygote: Zygote) -> int:
    assert zygote._process is not None
    return zygote._process.pid


def writable_memory(pid: int) -> Iterator[bytes]:
    """A process's memory, region by region."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights = line.split()[:2]
            if rights.startswith("rw"):
                first, last = (int(part, 16) for part in bounds.split("-"))
                memory.seek(first)
                yield memory.read(last - first)


def is_set_up(pid: int, folder: Path) -> bool:
    """Whether a child is past its own preparation: it is in its folder, and its line's reader runs."""
    home = Path(f"/proc/{pid}")
    return (home / "cwd").readlink() == folder and len(list((home / "task").iterdir())) > 1


async def ended(child: Child) -> None:
    """Reads a child's events until it tells no more."""

    async def read_on() -> None:
        while True:
            await child.next_report()

    with pytest.raises(ChildEnded):
        await asyncio.wait_for(read_on(), 20)


async def test_from_fork_to_file(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url("/page"))

    (found,) = outcome.of("found")
    assert found["identity"]["by_url"] is True
    assert found["title"].startswith("A clip of coloured bars")
    assert outcome.events[-1]["evidence"][0].keys() == {"url", "etag", "last-modified", "content-length"}
    assert ffmpeg.kinds(outcome.file) == ["audio", "video"]
    assert outcome.events[-1]["duration"] == pytest.approx(6, abs=0.5)
    assert outcome.of("progress")[-1]["finished"] is True
    assert tmp_path / outcome.of("thumbnail")[0]["file"] in files(tmp_path)


async def test_a_child_that_is_not_wanted_fetches_nothing_and_ends(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    child = await zygote.fork(tmp_path)
    order(child, site.url("/media/clip.mp4"))
    assert (await next_event(child))["event"] == "found"
    child.send_order(StopOrder())

    assert await asyncio.wait_for(child.exited, 20) == 0
    await child.close()
    probe = site.settled("/media/clip.mp4")
    assert sum(one.sent for one in probe) < 1_000_000
    assert files(tmp_path) == []


async def test_a_killed_child_is_told_at_once(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    child = await begin(zygote, tmp_path, site.url("/gated/g/clip.mp4"))
    await asyncio.to_thread(site.gate("g").wait_held)

    os.kill(child.pid, signal.SIGKILL)

    await ended(child)
    assert await asyncio.wait_for(child.exited, 20) == -signal.SIGKILL
    await child.close()


async def test_closing_a_child_ends_it_in_the_middle(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    child = await begin(zygote, tmp_path, site.url("/gated/g/clip.mp4"))
    await asyncio.to_thread(site.gate("g").wait_held)

    await asyncio.wait_for(child.close(), 20)

    assert child.pid not in processes()
    assert site.settled("/gated/g/clip.mp4")[-1].closed_early


async def test_children_run_side_by_side_and_one_end_is_not_anothers(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    held = await begin(zygote, folders[0], site.url("/gated/g/clip.mp4"))
    outcomes = await asyncio.gather(*(download(zygote, folder, site.url("/media/clip.mp4")) for folder in folders[1:]))

    assert all(outcome.file.stat().st_size > 1_000_000 for outcome in outcomes)
    assert held.pid in processes()
    await held.close()


async def test_no_secret_goes_along(zygote: Zygote, tmp_path: Path) -> None:
    assert os.environ["VIDFERRY_SIGNING_KEY"] == SECRET
    child = await zygote.fork(tmp_path)
    for pid in (pid_of(zygote), child.pid):
        given = environment(pid)
        names = {entry.partition(b"=")[0] for entry in given.split(b"\0") if entry}
        assert names == {b"PATH", b"LANG", b"YTDLP_NO_PLUGINS"}
        assert SECRET.encode() not in given
    await child.close()


async def test_no_secret_is_in_its_memory(zygote: Zygote) -> None:
    needle = SECRET.encode()[4:]
    seen = 0
    for region in writable_memory(pid_of(zygote)):
        seen += len(region)
        assert needle not in region
    assert seen > 10_000_000  # it was read


async def test_a_child_holds_no_file_but_its_line(zygote: Zygote, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = await zygote.fork(other_folder)
    child = await zygote.fork(tmp_path)
    await until(lambda: is_set_up(child.pid, tmp_path))
    held = open_files(child.pid)

    assert [held.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert [where.partition(":")[0] for where in held.values()] == ["socket"]
    await child.close()
    await other.close()


async def test_a_child_is_bounded_and_in_a_group_of_its_own(zygote: Zygote, tmp_path: Path) -> None:
    child = await zygote.fork(tmp_path)
    await until(lambda: is_set_up(child.pid, tmp_path))
    bounds = limits(child.pid)

    assert os.getpgid(child.pid) == child.pid
    assert bounds["Max core file size"] == ["0", "0"]
    assert bounds["Max file size"] == [str(20 * 1024**3)] * 2
    assert bounds["Max data size"] == [str(2 * 1024**3)] * 2
    assert bounds["Max cpu time"] == [str(6 * 3600)] * 2
    assert bounds["Max open files"] == ["512", "512"]
    await child.close()


async def test_a_forbidden_address_is_told_and_never_reached(
    zygote: Zygote, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote, "_broker", Broker(EgressPolicy((), frozenset())))
    child = await zygote.fork(tmp_path)
    order(child, site.url("/media/clip.mp4"))

    event = await asyncio.wait_for(next_event(child), 20)

    assert (event["event"], event["code"], child.connections.was_forbidden) == ("failed", "forbidden_address", True)
    assert site.requests() == []
    await child.close()


@pytest.mark.parametrize(
    "said", [b"nonsense", b'{"event": "progress", "stream": -1}', b'{"event": "connect", "id": 1}', b'{"event": "x"}']
)
async def test_a_child_that_sends_what_is_no_event_is_ended(said: bytes, zygote: Zygote, tmp_path: Path) -> None:
    child = await zygote.fork(tmp_path)
    await until(lambda: is_set_up(child.pid, tmp_path))
    # Its own end of the line, taken from the running child, stands for a child that was taken over.
    line = next(fd for fd, where in open_files(child.pid).items() if where.startswith("socket:"))
    process = os.pidfd_open(child.pid)
    stolen = pidfd_getfd(process, line)
    os.write(stolen, said)

    await ended(child)
    await asyncio.wait_for(child.exited, 20)

    for fd in (process, stolen):
        os.close(fd)
    await asyncio.wait_for(child.close(), 20)


def pidfd_getfd(process: int, fd: int) -> int:
    """pidfd_getfd(2), for which Python has no function."""
    found = ctypes.CDLL(None, use_errno=True).syscall(438, process, fd, 0)
    assert found >= 0, os.strerror(ctypes.get_errno())
    return int(found)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_where_memory_runs_out_a_child_goes_first(zygote: Zygote, tmp_path: Path) -> None:
    child = await zygote.fork(tmp_path)
    await until(lambda: is_set_up(child.pid, tmp_path))

    def chosen(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    assert (chosen(child.pid), chosen(pid_of(zygote))) == (1000, chosen(os.getpid()))
    await child.close()


@pytest.mark.parametrize("times", [1, 2])
async def test_one_that_is_given_up_while_it_is_forked_does_not_stay(
    times: int, zygote: Zygote, tmp_path: Path
) -> None:
    """As when a lease is lost, or the worker stops, or both, at just that moment."""
    before = children_of(pid_of(zygote))
    forking = asyncio.create_task(zygote.fork(tmp_path))
    async with asyncio.timeout(20):
        while not zygote._forking:  # noqa: ASYNC110 - the answer takes less than until() lets pass
            await asyncio.sleep(0)
    for _ in range(times):
        forking.cancel()
        await asyncio.sleep(0)  # it meets the cancellation, before the answer as a rule
    with pytest.raises(asyncio.CancelledError):
        await forking
    other = await zygote.fork(tmp_path)  # orders are obeyed one after the other: the first one was

    await other.close()
    await until(lambda: children_of(pid_of(zygote)) == before, 5)


# What follows ends its zygote, so has one of its own. Its ffmpeg reads no faster than a viewer would: long enough to
# be found running.


@pytest.fixture
def slow_ffmpeg(tmp_path: Path, worker_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *file:*) pace=-re;; *) pace= ;; esac\nexec "{ffmpeg.ffmpeg()}" $pace "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{ffmpeg.path_with_ffmpeg()}")


async def converting(zygote: Zygote, folder: Path, site: Site) -> tuple[Child, int]:
    """A child in the middle of its conversion, and the pid of its ffmpeg."""
    child = await begin(zygote, folder, site.url("/media/clip.mp4"), "audio-mp3")
    found: list[int] = []

    def running() -> bool:
        found[:] = [pid for pid in members(child.pid) - {child.pid} if " -re " in program(pid)]
        return bool(found)

    await until(running)
    return child, found[0]


@pytest.mark.usefixtures("slow_ffmpeg")
async def test_ffmpeg_ends_with_its_child_and_children_with_their_zygote(site: Site, tmp_path: Path) -> None:
    zygote = Zygote(Broker(LOOPBACK))
    folder = tmp_path / "job"
    folder.mkdir()
    try:
        child, encoder = await converting(zygote, folder, site)
        await asyncio.wait_for(child.close(), 20)
        # Killed with it, but not waited for; its own end would take longer.
        await until(lambda: encoder not in processes() and not members(child.pid), 2)

        child, encoder = await converting(zygote, folder, site)
        os.kill(child.pid, signal.SIGKILL)
        await ended(child)
        await until(lambda: encoder not in processes(), 2)
        await child.close()

        first = pid_of(zygote)
        child = await begin(zygote, folder, site.url("/gated/g/clip.mp4"))
        os.kill(first, signal.SIGKILL)
        assert await asyncio.wait_for(child.exited, 20) == -signal.SIGKILL
        await ended(child)
        await child.close()
        await until(lambda: child.pid not in processes())

        again = await zygote.fork(folder)
        assert pid_of(zygote) != first
        assert again.pid in processes()
    finally:
        await zygote.close()
    await until(lambda: again.pid not in processes())
    await again.close()


@pytest.mark.usefixtures("slow_ffmpeg")
async def test_ffmpeg_ends_with_its_zygote(site: Site, tmp_path: Path) -> None:
    """So with its worker, when that is killed; left alone it would write on into a folder that nobody clears."""
    zygote = Zygote(Broker(LOOPBACK))
    folder = tmp_path / "job"
    folder.mkdir()
    try:
        child, encoder = await converting(zygote, folder, site)
        os.kill(pid_of(zygote), signal.SIGKILL)
        await child.close()
        await until(lambda: encoder not in processes(), 2)  # its own end would take longer
    finally:
        await zygote.close()


@pytest.mark.usefixtures("worker_environment")
async def test_a_zygote_that_dies_leaves_no_descriptor(tmp_path: Path) -> None:
    """Nor does a fork that it does not live to see."""
    zygote = Zygote(Broker(LOOPBACK))
    try:
        await zygote.start()
        before = len(open_files())
        for _ in range(2):
            kill_unheard(pid_of(zygote))
            with pytest.raises(BrokenPipeError):
                await zygote.fork(tmp_path)
            await until(lambda: zygote._control is None)
            await zygote.start()
        await until(lambda: len(open_files()) == before)
    finally:
        await zygote.close()


def kill_unheard(pid: int) -> None:
    """Returns when a process is gone; this thread's event loop has had no time to be told."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGKILL)
    select.select([process], [], [])
    os.close(process)


async def test_a_worker_may_be_the_first_process_of_its_container(
    worker_environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There its pid is 1, as init's is elsewhere: that must not look like a worker that has died."""
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable} -I\n"
        "import os, runpy, sys\n"
        "os.getppid = lambda: 1\n"
        "sys.argv = sys.argv[3:]\n"
        'runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    zygote = Zygote(Broker(LOOPBACK))
    try:
        await zygote.start()
    finally:
        await zygote.close()


async def test_one_that_was_closed_is_not_started_again(tmp_path: Path, worker_environment: pytest.MonkeyPatch) -> None:
    """An attempt may wait for a fork meanwhile. Nobody would watch its child, nor end it."""
    zygote = Zygote(Broker(LOOPBACK))
    await zygote.close()
    with pytest.raises(ChildEnded):
        await zygote.fork(tmp_path)
    assert zygote._process is None


async def test_closing_ends_a_start_that_is_under_way(worker_environment: pytest.MonkeyPatch) -> None:
    zygote = Zygote(Broker(LOOPBACK))
    starting = asyncio.create_task(zygote.start())
    await until(lambda: zygote._process)
    first = pid_of(zygote)
    await asyncio.wait_for(zygote.close(), 20)
    with pytest.raises(ChildEnded):
        await starting
    assert first not in processes()
