"""The program of `helm test` against a running Vidferry."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.chart import CHART
from support.origin.fixture import origin, site
from support.origin.site import Site
from support.ports import free_port
from support.stack import Stack, running

__all__ = ["origin", "site"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running() as found:
        yield found


def checks(port: int, **env: str) -> subprocess.CompletedProcess[str]:
    address = f"localhost:{port}"
    return subprocess.run(
        [sys.executable, "-I", CHART / "files" / "checks.py"],
        env={"PATH": os.environ["PATH"], "API": f"http://{address}", "GATEWAY": address, "SECONDS": "60", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.xdist_group("folder")
def test_a_whole_vidferry_passes(stack: Stack, site: Site) -> None:
    done = checks(stack.port, ORIGIN=site.url("/media/clip.mp4"))
    passed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("passed")]
    assert passed == ["services_answer", "address_refused", "unknown_job", "whole_download"], done.stdout
    assert done.returncode == 0


@pytest.mark.xdist_group("folder")
def test_a_download_that_fails_is_told(stack: Stack, site: Site) -> None:
    done = checks(stack.port, ORIGIN=site.url("/nowhere.mp4"))
    assert done.returncode == 1
    assert "FAILED whole_download" in done.stdout
    assert "ended as failed" in done.stdout


def test_without_a_vidferry_every_check_fails() -> None:
    done = checks(free_port())
    assert done.returncode == 3
    assert done.stdout.count("FAILED") == 3
