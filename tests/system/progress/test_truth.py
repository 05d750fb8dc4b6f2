"""What watchers are shown of downloads from an origin of known speed, held against what really was."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support import ffmpeg
from support.jobs import Jobs, jobs_in
from support.origin import Origin
from support.redis_server import RedisServer
from support.services import Worker
from vidferry_common.contract import keys

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("truth")]
SECONDS = 100
SLACK = 1.0
"""seconds; a message leaves every half of one"""
MERGE_SECONDS = 10
KNOWN = {
    "one body": ("/slow/clip.mp4?rate=300000", "1080-any"),
    "HLS, two streams": ("/slow-hls/40000/master.m3u8", "1080-any"),
    "HLS, one stream": ("/slow-hls/40000/v720/index.m3u8", "1080-any"),
    "DASH, two streams": ("/slow-dash/40000/manifest.mpd", "1080-any"),
    "DASH, one stream": ("/slow-dash/3000/manifest.mpd", "audio-any"),
    "resumed": ("/short/clip.mp4?times=2&at=1500000&rate=300000&key=truth", "1080-any"),
}
UNKNOWN = {
    "no length": ("/chunked/clip.mp4?rate=500000", "1080-any"),
    "a length that lies": ("/packed/clip.mp4?rate=200000", "1080-any"),
}


@dataclass(frozen=True)
class Heard:
    """One message, and when it came."""

    moment: float
    data: dict[str, Any]

    @property
    def progress(self) -> float:
        return float(self.data["progress"])


Shown = dict[str, list[Heard]]


@pytest.fixture(scope="module")
async def shown(redis: RedisServer, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shown]:
    """All that was told of each download; they run side by side, as each waits for its own pace."""
    home = tmp_path_factory.mktemp("truth")
    programs = slow_ffmpeg(home)
    with Worker(redis.url, home, {"PATH": programs}, worker_slots="8", site_fragments="100"):
        async with jobs_in(redis) as jobs:
            yield await watch(jobs, origin)


def slow_ffmpeg(home: Path) -> str:
    """A PATH with an ffmpeg that takes ten seconds for the origin's clips, reading as evenly as a slow disk."""
    script = home / "bin" / "ffmpeg"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *file:*) pace="-readrate {6 / MERGE_SECONDS}";; esac\n'
        f'exec "{ffmpeg.ffmpeg()}" $pace "$@"\n'
    )
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{ffmpeg.path_with_ffmpeg()}"


async def watch(jobs: Jobs, origin: Origin) -> Shown:
    channel = jobs.redis.pubsub()
    await channel.psubscribe(keys.CHANNEL + "*")
    heard: dict[str, list[Heard]] = {}
    names = {}
    for name, (path, fmt) in {**KNOWN, **UNKNOWN}.items():
        job = await jobs.give(origin.site().url(path), fmt)
        names[job.job_id], heard[name] = name, []
    left = set(names.values())
    async with asyncio.timeout(SECONDS):
        while left:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=SECONDS)
            if message:
                data = json.loads(message["data"])["data"]
                name = names[data["job_id"]]
                heard[name].append(Heard(time.monotonic(), data))
                if data["status"] in {"completed", "failed"}:
                    left.discard(name)
    await channel.aclose()  # type: ignore[no-untyped-call]
    return heard


def of(heard: list[Heard], stage: str) -> tuple[list[Heard], float]:
    """The messages of a stage, and when it ended."""
    within = [each for each in heard if each.data["stage"] == stage]
    return within, next(each.moment for each in heard if each.moment > within[-1].moment)


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
async def test_the_bar_never_goes_back_and_the_download_succeeds(name: str, shown: Shown) -> None:
    bar = [each.progress for each in shown[name]]

    assert shown[name][-1].data["status"] == "completed", shown[name][-1].data
    assert bar == sorted(bar)


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
async def test_it_shows_all_only_when_all_is_here(name: str, shown: Shown) -> None:
    here = max(each.data["downloaded_bytes"] or 0 for each in shown[name])
    within, end = of(shown[name], "downloading")

    assert len(within) > max(5, end - within[0].moment), "bytes moved for seconds, and were shown each second"
    assert all(each.progress < 79.5 for each in within if (each.data["downloaded_bytes"] or 0) < here)
    assert [each.data["downloaded_bytes"] for each in within if each.progress == 80] == [here]


@pytest.mark.parametrize("name", KNOWN)
async def test_the_time_left_is_within_a_factor_of_two_from_a_quarter_on(name: str, shown: Shown) -> None:
    within, end = of(shown[name], "downloading")
    told = [(end - each.moment, each.data["eta"]) for each in within if each.progress >= 35]

    assert told
    assert [pair for pair in told if not is_near(*pair)] == []


@pytest.mark.parametrize("name", KNOWN)
async def test_the_bytes_in_all_are_told_within_a_fifth_from_half_on(name: str, shown: Shown) -> None:
    within, _ = of(shown[name], "downloading")
    whole = within[-1].data["downloaded_bytes"]

    totals = {each.data["total_bytes"] for each in within if each.progress >= 50} - {None}
    assert [total for total in totals if not 0.8 * whole < total < 1.2 * whole] == []


@pytest.mark.parametrize("name", UNKNOWN)
async def test_without_a_true_length_the_bytes_move_and_no_time_left_is_made_up(name: str, shown: Shown) -> None:
    within, _ = of(shown[name], "downloading")
    whole = within[-1].data["downloaded_bytes"]
    belied = max((each.data["total_bytes"] or 0 for each in within if each.data["total_bytes"] != whole), default=0)
    bytes_told = [(each.data["downloaded_bytes"] or 0, each.data["total_bytes"], each.data["eta"]) for each in within]
    late = [told for told in bytes_told if belied < told[0] < whole]

    assert late, bytes_told
    assert [told for told in late if told[1:] != (None, None)] == []


@pytest.mark.parametrize("name", ["HLS, two streams", "DASH, two streams"])
async def test_a_merge_of_ten_seconds_is_seen_to_go_on(name: str, shown: Shown) -> None:
    within, end = of(shown[name], "merging")
    bar = sorted({each.progress for each in within})

    assert end - within[0].moment > MERGE_SECONDS / 2
    assert len(bar) > 3  # ffmpeg writes 256 KiB at once, and all is no more than a MiB: so half is what is known well
    assert (bar[0], bar[-1] < 90) == (85, True)
    late = [each for each in within if each.moment > within[0].moment + (end - within[0].moment) / 2]
    told = [(end - each.moment, each.data["eta"]) for each in late]
    assert [pair for pair in told if not is_near(*pair)] == []


def is_near(left: float, eta: float | None) -> bool:
    """Within a factor of two; seconds, both."""
    return eta is not None and left / 2 - SLACK <= eta <= 2 * left + SLACK
