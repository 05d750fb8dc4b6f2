"""The canary: which yt-dlp passes, and what is said of one that doesn't."""

from pathlib import Path

import pytest

from support.bundles import copy_yt_dlp, move_a_part
from support.zygotes import worker_environment
from vidferry_worker.bundles import canary
from vidferry_worker.bundles.canary import HOST, SAMPLES, CanaryFailed, CanaryTimedOut, try_bundle
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.zygote import Zygote

__all__ = ["worker_environment"]
pytestmark = [pytest.mark.anyio, pytest.mark.bundles, pytest.mark.timeout(300)]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


async def test_the_installed_one_passes_as_a_bundle(
    tmp_path: Path, work: Path, worker_environment: pytest.MonkeyPatch
) -> None:
    guests: list[Zygote] = []
    await try_bundle(copy_yt_dlp(tmp_path / "code"), work, Confinement(), guests)
    assert guests == []


async def test_one_whose_part_has_moved(tmp_path: Path, work: Path, worker_environment: pytest.MonkeyPatch) -> None:
    dash = copy_yt_dlp(tmp_path / "code") / "yt_dlp" / "downloader" / "dash.py"
    dash.write_text(move_a_part(dash.read_text()))
    with pytest.raises(CanaryFailed, match="patches don't apply"):
        await try_bundle(tmp_path / "code", work, Confinement(), [])


@pytest.mark.parametrize(
    ("name", "method", "parameters", "sample"),
    [
        ("extractor/generic.py", "_real_extract", "self, url", "clip.mp4"),
        ("downloader/hls.py", "real_download", "self, filename, info_dict", "master.m3u8"),
    ],
)
async def test_one_that_does_not_download(
    name: str,
    method: str,
    parameters: str,
    sample: str,
    tmp_path: Path,
    work: Path,
    worker_environment: pytest.MonkeyPatch,
) -> None:
    path = copy_yt_dlp(tmp_path / "code") / "yt_dlp" / name
    head = f"    def {method}({parameters}):\n"
    source = path.read_text()
    assert head in source
    path.write_text(source.replace(head, f"{head}        raise OSError('it is bad')\n"))
    with pytest.raises(CanaryFailed, match=sample):
        await try_bundle(tmp_path / "code", work, Confinement(), [])


async def test_one_that_takes_too_long(tmp_path: Path, work: Path, worker_environment: pytest.MonkeyPatch) -> None:
    """It is told from one that fails: the machine may be busy."""
    worker_environment.setattr(canary, "SECONDS", 2.0)
    path = copy_yt_dlp(tmp_path / "code") / "yt_dlp" / "extractor" / "generic.py"
    head, wait = "    def _real_extract(self, url):\n", f"if {HOST!r} in url: import time; time.sleep(600)"
    path.write_text(path.read_text().replace(head, f"{head}        {wait}\n"))
    with pytest.raises(CanaryTimedOut, match=r"clip\.mp4"):
        await try_bundle(tmp_path / "code", work, Confinement(), [])


def test_the_canary_leads_nowhere() -> None:
    assert HOST.startswith("192.0.2.")
    assert {sample.path for sample in SAMPLES} == {"clip.mp4", "master.m3u8", "manifest.mpd", "page.html"}
