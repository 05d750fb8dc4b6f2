"""What a worker tells of the versions that it runs."""

import asyncio
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from support.records import Records
from unit.common.store.conftest import records, shared_server
from vidferry_common.contract.bundles import Versions
from vidferry_common.store import StoreUnavailable
from vidferry_worker import versions
from vidferry_worker.children.engine import Engine, image_engine
from vidferry_worker.versions import VersionReporter, find_version

__all__ = ["records", "shared_server"]

pytestmark = pytest.mark.anyio
PATTERN = re.compile(r"tool version (\S+)")


@pytest.fixture
def sent(records: Records, monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[None]:
    """An element for each report that has reached Redis. The first one does not."""
    report, queue, outages = records.store.bundles.report, asyncio.Queue[None](), [StoreUnavailable()]

    async def report_after_outage(worker: str, told: Versions, problem: str = "") -> None:
        if outages:
            raise outages.pop()
        await report(worker, told, problem)
        queue.put_nowait(None)

    monkeypatch.setattr(records.store.bundles, "report", report_after_outage)
    return queue


async def test_a_worker_reports_again_and_again_and_at_each_change(
    records: Records,
    sent: asyncio.Queue[None],
    worker_environment: pytest.MonkeyPatch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine("2026.11.20", "0.8.1")
    noted: list[str] = []
    monkeypatch.setattr(versions, "REPORT_INTERVAL", 0.001)
    reporter = VersionReporter(records.store, "worker-1", lambda: engine, noted.append)
    task = asyncio.create_task(reporter.run())
    for _ in range(3):
        await asyncio.wait_for(sent.get(), 60)

    (first,) = await records.store.bundles.reports()

    told = first.versions
    assert (first.worker, first.problem, told.vidferry) == ("worker-1", "", version("vidferry-worker"))
    assert (told.yt_dlp, told.ejs) == engine
    assert re.match(r"2\.", told.deno)
    assert told.ffmpeg
    assert noted == [told.ffmpeg]
    monkeypatch.setattr(versions, "REPORT_INTERVAL", 3600)
    engine = image_engine()
    reporter.note_change("the bundle can't be loaded")
    async with asyncio.timeout(60):
        while (second := (await records.store.bundles.reports())[0]) == first:
            await sent.get()
    assert (second.versions.yt_dlp, second.problem) == (engine.yt_dlp, "the bundle can't be loaded")
    assert not task.done()
    task.cancel()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo tool version 7.1.2-0+deb13u1 Copyright", "7.1.2-0+deb13u1"),
        ("echo tool version '<script>'", ""),
        ("echo something else", ""),
        ("exit 1", ""),
    ],
)
async def test_a_program_tells_its_version_or_nothing(
    script: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tool"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert await find_version("tool", "--version", PATTERN) == found


async def test_a_program_that_is_missing_hangs_or_does_not_start_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "PROGRAM_SECONDS", 0.05)
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF of another machine")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert [await find_version(name, "", PATTERN) for name in ("hangs", "missing", "broken")] == ["", "", ""]
