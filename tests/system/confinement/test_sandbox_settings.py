"""What a worker does where its kernel lacks a part of the sandbox, as VIDFERRY_SANDBOX says."""

import re
import sys
from pathlib import Path

import httpx2
import pytest

from support.ports import free_port
from support.redis_server import RedisServer
from support.services import Worker
from unit.worker.network.test_egress import settings
from vidferry_worker.children.confinement import Confinement, Sandbox

PYTHON = """#!{python}
import runpy, sys
from vidferry_worker.child.sandbox import kernel, seccomp
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install_filter(seccomp.build_refusing_filter(kernel.machine_name(), ["landlock_create_ruleset"]))
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def without_landlock(tmp_path: Path) -> Path:
    """The Python of a worker, and of what it starts, on a kernel that knows no Landlock."""
    python = tmp_path / "python"
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    return python


def parts(port: int) -> dict[str, str]:
    text = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
    return dict(re.findall(r'^vidferry_worker_sandbox\{part="(\w+)"\} (\S+)$', text, re.MULTILINE))


def test_one_that_requires_it_does_not_start(without_landlock: Path, redis: RedisServer, tmp_path: Path) -> None:
    process = Worker(redis.url, tmp_path, None, without_landlock, sandbox="required")
    with pytest.raises(AssertionError):
        process.start()

    assert process.wait() != 0
    assert "does not allow landlock" in process.log
    assert "Traceback" not in process.log


def test_one_that_prefers_it_says_what_is_missing(without_landlock: Path, redis: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    with Worker(redis.url, tmp_path, None, without_landlock, sandbox="preferred", admin_port=str(port)) as process:
        (warning,) = process.logged("downloads run without full confinement")
        assert warning["missing"] == ["landlock"]
        assert parts(port) == {"seccomp": "1.0", "landlock": "0.0"}


@pytest.mark.parametrize(("mode", "held"), [("required", "1.0"), ("off", "0.0")])
def test_by_what_it_is_held_is_told(mode: str, held: str, redis: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    with Worker(redis.url, tmp_path, sandbox=mode, admin_port=str(port)) as process:
        assert parts(port) == {"seccomp": held, "landlock": held}
        assert bool(process.logged("downloads run without full confinement")) is (mode == "off")


def test_the_settings_become_a_confinement() -> None:
    read = settings(
        sandbox="preferred", sandbox_read="/opt/ffmpeg, /opt/lib", max_bytes="1000", max_seconds="1.5",
        child_memory="1000000000", worker_slots="3",
    )  # fmt: skip

    assert read.confinement == Confinement(Sandbox.PREFERRED, ("/opt/ffmpeg", "/opt/lib"), 1000, 2, 10**9)
    assert Confinement.from_argument(read.confinement.to_argument()) == read.confinement
    assert (read.max_total_disk, settings(max_disk="7").max_total_disk) == (6000, 7)


@pytest.mark.parametrize("values", [{"sandbox": "maybe"}, {"child_memory": "1"}, {"max_disk": "-1"}])
def test_wrong_ones_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        settings(**values)
