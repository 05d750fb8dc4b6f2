"""pip, against a package index."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.bundles import EJS, IMAGE, NEWER, Index, make_wheel
from support.zygotes import SECRET
from vidferry_worker.bundles import download
from vidferry_worker.bundles.download import IndexFailed, download_wheel
from vidferry_worker.bundles.wheel import MAX_WHEEL

pytestmark = [pytest.mark.anyio, pytest.mark.bundles]


async def test_the_newest_wheel_and_no_dependencies(index: Index, tmp_path: Path) -> None:
    for release in ("2026.1.1", NEWER, "2099.2.2.000000.dev0"):
        index.add(make_wheel(tmp_path, "yt-dlp", release))
    wheel = await download_wheel("yt-dlp", tmp_path / "a")
    assert wheel.name == f"yt_dlp-{NEWER}-py3-none-any.whl"
    assert zipfile.is_zipfile(wheel)
    nightly = await download_wheel("yt-dlp", tmp_path / "b", pre=True)
    assert nightly.name == "yt_dlp-2099.2.2.0.dev0-py3-none-any.whl" or "dev0" in nightly.name
    exact = await download_wheel("yt-dlp==2026.1.1", tmp_path / "c")
    assert exact.name.startswith("yt_dlp-2026.1.1-")
    assert not any("ejs" in path for path in index.requests)


async def test_only_wheels_are_taken(index: Index, tmp_path: Path) -> None:
    """A source archive would run its own code when it is built."""
    home = index.folder / "simple" / "yt-dlp"
    home.mkdir(parents=True)
    (home / "yt_dlp-2099.1.1.tar.gz").write_bytes(b"x")
    (home / "index.html").write_text('<a href="yt_dlp-2099.1.1.tar.gz">yt_dlp-2099.1.1.tar.gz</a>')
    with pytest.raises(IndexFailed, match="No matching distribution"):
        await download_wheel("yt-dlp", tmp_path / "a")


async def test_a_wheel_that_was_changed_on_its_way(index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path, "yt-dlp", NEWER))
    (served,) = (index.folder / "simple" / "yt-dlp").glob("*.whl")
    served.write_bytes(served.read_bytes() + b"x")
    with pytest.raises(IndexFailed):
        await download_wheel("yt-dlp", tmp_path / "a")


async def test_an_index_that_is_away(index: Index, tmp_path: Path) -> None:
    index.is_down = True
    with pytest.raises(IndexFailed):
        await download_wheel("yt-dlp", tmp_path / "a")


def test_the_kernel_ends_pip_before_the_worker() -> None:
    head, _, _ = download._LIMITED_PIP.partition("runpy.run_module")
    told = subprocess.check_output([sys.executable, "-c", f"{head}print(open('/proc/self/oom_score_adj').read())"])
    assert int(told) == 1000


async def test_pip_has_only_its_own_part_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in pip's place tells what it was given."""
    told = tmp_path / "told"
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nenv > {told}\nulimit -a >> {told}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("VIDFERRY_SIGNING_KEY", SECRET)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", SECRET)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("PYTHONPATH", "/tmp")
    with pytest.raises(IndexFailed):
        await download_wheel("yt-dlp", tmp_path / "a")
    names = {line.partition("=")[0] for line in told.read_text().splitlines() if "=" in line}
    assert SECRET not in told.read_text()
    assert {"PIP_INDEX_URL", "https_proxy"} <= names
    assert names <= {
        "PIP_INDEX_URL",
        "https_proxy",
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
    } | {name for name in os.environ if name.startswith("PIP_") or name.upper() in download._PASSED_ON}


async def test_pip_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(download, "SECONDS", 0.5)
    with pytest.raises(IndexFailed, match="seconds"):
        await download_wheel("yt-dlp", tmp_path / "a")


async def test_a_wheel_that_is_too_large(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "yt-dlp", NEWER)
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.writestr("yt_dlp/large", bytes(MAX_WHEEL + 1))
    index.add(wheel)
    with pytest.raises(IndexFailed):
        await download_wheel("yt-dlp", tmp_path / "a")
    assert sum(path.stat().st_size for path in (tmp_path / "a").rglob("*")) < 2 * MAX_WHEEL


async def test_a_password_of_the_index_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho 'ERROR: no answer of https://user:{SECRET}@127.0.0.1/simple'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(IndexFailed) as raised:
        await download_wheel("yt-dlp", tmp_path / "a")
    assert str(raised.value) == "ERROR: no answer of https://127.0.0.1/simple"


def test_the_versions_of_the_tests_are_newer() -> None:
    assert NEWER > IMAGE
    assert EJS
