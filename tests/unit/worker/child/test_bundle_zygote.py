"""A bundle's yt-dlp is confined before it is loaded, and nothing that it says is trusted."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.bundles import LIAR, copy_yt_dlp
from support.children import download, members, until
from support.origin.site import Site
from support.zygotes import LOOPBACK, SECRET
from vidferry_worker.child import bundle_zygote
from vidferry_worker.children import wire
from vidferry_worker.children.confinement import Confinement, Sandbox
from vidferry_worker.children.resource_monitor import ResourceLimits, ResourceMonitor
from vidferry_worker.children.zygote import BundleBroken, BundleSilent, Zygote
from vidferry_worker.network.broker import Broker

pytestmark = pytest.mark.anyio
GIB = 1024**3

ATTACK = """
import ctypes, glob, json, os, signal, socket
target = json.loads({target!r})
reached = []

def tries(name):
    def run(attack):
        try:
            if attack():
                reached.append(name)
        except OSError:
            pass
    return run

@tries("its environment")
def _():
    return any({secret!r} in value for value in os.environ.values())

@tries("the worker's environment")
def _():
    return open(f"/proc/{{target['worker']}}/environ", "rb").read()

@tries("the zygote's memory")
def _():
    return open(f"/proc/{{os.getppid()}}/mem", "rb")

@tries("the zygote's files")
def _():
    return os.listdir(f"/proc/{{os.getppid()}}/fd")

@tries("cookies")
def _():
    return open(target["cookies"]).read()

@tries("the folder of cookies")
def _():
    return os.listdir(os.path.dirname(target["cookies"]))

@tries("files of other downloads")
def _():
    return os.listdir(target["elsewhere"])

@tries("a file elsewhere")
def _():
    return open(os.path.join(target["elsewhere"], "planted"), "w")

@tries("its own code")
def _():
    return open(__file__, "a")

@tries("a socket")
def _():
    return socket.socket()

@tries("a connection")
def _():
    return socket.create_connection(("127.0.0.1", target["port"]), 1)

@tries("a signal to the worker")
def _():
    os.kill(target["worker"], signal.SIGCONT)
    return True

@tries("a signal to the zygote")
def _():
    os.kill(os.getppid(), signal.SIGCONT)
    return True

@tries("a group of its own")
def _():
    os.setsid()
    return True

@tries("a trace of the zygote")
def _():
    return ctypes.CDLL(None).ptrace(0x4206, os.getppid(), 0, 0) == 0  # PTRACE_SEIZE

@tries("a debugger's memory")
def _():
    return os.open(f"/proc/{{target['worker']}}/maps", os.O_RDONLY)

with open(os.path.join(os.getcwd(), "reached"), "w") as file:
    json.dump(reached, file)
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with a yt-dlp of its own."""
    return copy_yt_dlp(tmp_path / "code")


@asynccontextmanager
async def zygote_of(bundle: Path, confinement: Confinement = Confinement()) -> AsyncIterator[Zygote]:  # noqa: B008 - frozen
    work = bundle.parent / "work"
    await asyncio.to_thread(work.mkdir)
    zygote = Zygote(Broker(LOOPBACK), confinement, work, bundle)
    try:
        yield zygote
    finally:
        await zygote.close()


def hostile(folder: Path, code: str) -> Path:
    """A bundle that is nothing but that code."""
    package = folder / "code" / "yt_dlp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    return package.parent


async def test_a_bundle_downloads(bundle: Path, worker_environment: pytest.MonkeyPatch, site: Site) -> None:
    async with zygote_of(bundle) as zygote:
        await zygote.start()
        assert zygote.template
        for name in ("first", "second"):
            async with zygote.open_folder(name) as folder:
                outcome = await download(zygote, folder, site.url("/media/clip.mp4"))
                assert outcome.file.stat().st_size > 0
        assert zygote.is_idle
        group = zygote.template.pid
        assert members(group) == {group}
    await until(lambda: not members(group))


async def test_it_reaches_nothing(tmp_path: Path, worker_environment: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cookies = elsewhere / "example.com.txt"
    cookies.write_text("cookies")
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = {
            "worker": os.getpid(), "cookies": str(cookies), "elsewhere": str(elsewhere),
            "port": server.getsockname()[1],
        }  # fmt: skip
        bundle = hostile(tmp_path, ATTACK.format(target=json.dumps(target), secret=SECRET))
        async with zygote_of(bundle) as zygote:
            with pytest.raises(BundleBroken):
                await zygote.start()
    assert json.loads((tmp_path / "work" / "reached").read_text()) == []


async def test_the_attacks_reach_all_that_where_nothing_confines_them(tmp_path: Path) -> None:
    """Otherwise the test above could not fail."""
    cookies = tmp_path / "example.com.txt"
    cookies.write_text("cookies")
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = {
            "worker": os.getpid(), "cookies": str(cookies), "elsewhere": str(tmp_path),
            "port": server.getsockname()[1],
        }  # fmt: skip
        script = tmp_path / "attack.py"
        script.write_text(ATTACK.format(target=json.dumps(target), secret=SECRET))
        process = await asyncio.create_subprocess_exec(
            "python3", str(script), cwd=tmp_path, env={**os.environ, "SECRET": SECRET}, start_new_session=False
        )
        assert await process.wait() == 0
    assert len(json.loads((tmp_path / "reached").read_text())) >= 13


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise SystemExit(0)", "SystemExit"),
        ("import os; os._exit(0)", "can't be loaded"),
        ("raise ValueError('x' * 100000)", "ValueError"),
        ("", "can't be loaded"),
    ],
)
async def test_one_that_does_not_load(
    code: str, problem: str, tmp_path: Path, worker_environment: pytest.MonkeyPatch
) -> None:
    async with zygote_of(hostile(tmp_path, code)) as zygote:
        with pytest.raises(BundleBroken, match=problem) as raised:
            await zygote.start()
    assert len(str(raised.value)) <= 1100


def test_a_template_that_says_nothing_in_time_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is to blame for that, and its zygote says so."""
    monkeypatch.setattr(bundle_zygote, "LOAD_SECONDS", 0.01)
    template = object.__new__(bundle_zygote.Template)
    template.is_silent = False
    template.line, theirs = wire.socket_pair()
    with template.line, theirs:
        assert template.wait_until_loaded() == "it can't be loaded: it doesn't answer"
    assert template.is_silent


@pytest.mark.parametrize(("is_silent", "kind"), [(True, BundleSilent), (False, BundleBroken)])
async def test_a_silent_one_is_told_from_a_broken_one(
    is_silent: bool, kind: type[BundleBroken], tmp_path: Path
) -> None:
    zygote = Zygote(Broker(LOOPBACK), folder=tmp_path)
    zygote._control, theirs = wire.socket_pair()
    message = {"ready": os.getpid(), "confined_by": [], "template": os.getpid(), "problem": "x", "silent": is_silent}
    with zygote._control, theirs:
        wire.send(theirs, message)
        zygote._read_message()
        with pytest.raises(BundleBroken) as raised:
            await zygote.start()
    assert raised.type is kind


async def test_one_whose_part_a_patch_does_not_find(bundle: Path, worker_environment: pytest.MonkeyPatch) -> None:
    dash = bundle / "yt_dlp" / "downloader" / "dash.py"
    dash.write_text(dash.read_text().replace("_get_fragments(self, fmt,", "_get_fragments(self, moved,"))
    async with zygote_of(bundle) as zygote:
        with pytest.raises(BundleBroken, match=r"patches don't apply: .*DashSegmentsFD\._get_fragments"):
            await zygote.start()


async def test_what_it_says_is_text(tmp_path: Path, worker_environment: pytest.MonkeyPatch) -> None:
    """It is logged, and told to Redis."""
    lie = LIAR.replace('{"problem": ""}', r'{"problem": "it\\ud800\\nfailed"}')
    async with zygote_of(hostile(tmp_path, lie.replace("CODE", "time.sleep(3600)"))) as zygote:
        with pytest.raises(BundleBroken, match=r"^it  failed$"):
            await zygote.start()


FORK = """
def fork(says):
    "Forks a child as the zygote expects it, which sleeps."
    order = json.loads(line.recv(65536))
    between = os.fork()
    if between == 0:
        between = os.getpid()
        if os.fork() == 0:
            while os.getppid() == between:
                time.sleep(0.01)
            for _ in range(says):
                line.send(b'{}')
            time.sleep(3600)
        os._exit(0)
    return order["folder"]
import json
"""


async def test_no_child_is_named_twice(tmp_path: Path, worker_environment: pytest.MonkeyPatch) -> None:
    """The attempt of another one would wait for its end for ever."""
    code = f"{FORK}\nfork(2)\ntime.sleep(3600)"
    async with zygote_of(hostile(tmp_path, LIAR.replace("CODE", code))) as zygote, zygote.open_folder("a") as folder:
        child = await zygote.fork(folder)
        await asyncio.wait_for(child.exited, 30)
        await child.close()


async def test_a_fork_without_an_answer_holds_up_no_other_child(
    tmp_path: Path, worker_environment: pytest.MonkeyPatch
) -> None:
    code = f"{FORK}\nfork(1)\ntime.sleep(3600)"
    async with (
        zygote_of(hostile(tmp_path, LIAR.replace("CODE", code))) as zygote,
        zygote.open_folder("a") as folder,
        zygote.open_folder("b") as other,
    ):
        child = await zygote.fork(folder)
        forking = asyncio.create_task(zygote.fork(other))
        await until(lambda: zygote._forking)
        await asyncio.wait_for(child.close(), bundle_zygote.FORK_SECONDS / 2)
        assert not forking.done()
        await zygote.close()
        await (await forking).close()


WRITE = """
folder = fork(1)
while True:
    try:
        os.makedirs(folder, exist_ok=True)
        open(os.path.join(folder, 'file'), 'w').close()
    except OSError:
        pass
"""


async def test_what_it_goes_on_to_write_keeps_no_generation(
    tmp_path: Path, worker_environment: pytest.MonkeyPatch
) -> None:
    """It is ended, and what it has left is removed before it is started again."""
    async with zygote_of(hostile(tmp_path, LIAR.replace("CODE", FORK + WRITE))) as zygote:
        async with zygote.open_folder("a") as folder:
            child = await zygote.fork(folder)
            await child.close()
        await until(folder.exists)
        assert zygote.is_idle
        assert zygote.template
        group = zygote.template.pid
        monitor = asyncio.create_task(ResourceMonitor(zygote, ResourceLimits(GIB, GIB, 256 * 1024**2)).run())
        try:
            await until(lambda: zygote.template is None and not members(group))
        finally:
            monitor.cancel()
        await zygote.start()
        assert not folder.exists()


LIES = {
    "nothing was loaded": "",
    "it is the child": "line.send(b'{}')",
    "this is no message": "line.send(b'x')",
    "it has ended": "os._exit(0)",
}


@pytest.mark.parametrize("lie", LIES)
async def test_lies_of_a_child_end_the_bundle(lie: str, tmp_path: Path, worker_environment: pytest.MonkeyPatch) -> None:
    async with zygote_of(hostile(tmp_path, LIAR.replace("CODE", f"line.recv(65536)\n{LIES[lie]}"))) as zygote:
        await zygote.start()
        assert zygote.template
        group = zygote.template.pid
        async with zygote.open_folder("a") as folder:
            child = await zygote.fork(folder)
            assert await asyncio.wait_for(child.exited, 30) == -9
            await child.close()
        await until(lambda: zygote.template is None)
        await until(lambda: not members(group))


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(100):\n    if os.fork() == 0:\n        time.sleep(3600)",
        "open(os.path.join(os.getcwd(), 'own'), 'w')",
        "held = bytearray(400 * 1024**2)",
    ],
)
async def test_what_it_takes_besides_is_bounded(
    code: str, tmp_path: Path, worker_environment: pytest.MonkeyPatch
) -> None:
    """Processes, files and memory that belong to no child."""
    async with zygote_of(hostile(tmp_path, LIAR.replace("CODE", f"{code}\ntime.sleep(3600)"))) as zygote:
        await zygote.start()
        assert zygote.template
        group = zygote.template.pid
        monitor = asyncio.create_task(ResourceMonitor(zygote, ResourceLimits(GIB, GIB, 256 * 1024**2)).run())
        try:
            await until(lambda: zygote.template is None and not members(group))
        finally:
            monitor.cancel()


async def test_a_bundle_needs_the_whole_sandbox(bundle: Path, worker_environment: pytest.MonkeyPatch) -> None:
    async with zygote_of(bundle, Confinement(Sandbox.OFF)) as zygote:
        with pytest.raises(BundleBroken, match="sandbox"):
            await zygote.start()


QUICK_END = """
import os, socket
from types import SimpleNamespace
from vidferry_worker.child.bundle_zygote import BundleZygote, Template
from vidferry_worker.children import wire

class Announced(Template):
    "A template whose child is announced between two looks, and ends at once."
    def __init__(self):
        self.line, self.theirs = wire.socket_pair()
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.pid = 0

    def order_fork(self, folder, channel_fd):
        os.close(channel_fd)

    def start_child(self):
        pid = os.fork()
        if pid == 0:
            wire.send(self.theirs, {})
            os._exit(3)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

worker, control = wire.socket_pair()
template = Announced()
zygote = BundleZygote(control, template)
zygote._fork_child("folder", os.open(os.devnull, os.O_RDONLY))
zygote._continue_forks()
template.start_child()
zygote._reap_children()
zygote._continue_forks()
worker.setblocking(False)
print(*wire.receive(worker)[0], *wire.receive(worker)[0].values())
"""


def test_a_child_that_ends_as_soon_as_it_is_forked_is_known_first() -> None:
    told = subprocess.run([sys.executable, "-c", QUICK_END], capture_output=True, text=True, check=False)

    assert (told.stdout.split()[0], told.stdout.split()[-1]) == ("forked", "3"), told.stderr
