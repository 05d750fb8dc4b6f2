"""A child that tells without end: it has to wait, and the worker keeps little of it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.children import begin, until
from support.hostile_children import attacking, hostile_zygote
from support.origin.site import Site
from support.zygotes import LOOPBACK
from vidferry_worker.children import child as child_module
from vidferry_worker.children import wire
from vidferry_worker.children.child import Child
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.protocol import ConnectRequest, Done, Event, LogLine, Progress, to_message
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio
FACTS = {"stream": 0, "downloaded": 1, "text": "x" * 50_000}


def flood(event: Event) -> dict[str, Any]:
    told = to_message(event)
    return {"event": told.pop("event"), "facts": told}


@pytest.fixture(scope="module")
async def confined(
    worker_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Zygote]:
    async with hostile_zygote(LOOPBACK, Confinement(), tmp_path_factory.mktemp("confined")) as zygote:
        yield zygote


async def test_what_nobody_reads_waits_in_the_child(confined: Zygote, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", "flooding", {"event": "progress", "facts": FACTS}) as child:
        await until(lambda: not child._is_reading)

        assert child._reports.qsize() == child_module.MAX_EVENTS
        for _ in range(3 * child_module.MAX_EVENTS):
            assert isinstance(await asyncio.wait_for(child.next_report(), 20), Progress)


@pytest.mark.parametrize("event", [Progress(0), LogLine("x"), ConnectRequest(1, "127.0.0.1", 1, 1.0)])
async def test_it_is_heard_so_often_a_second(
    event: Event, confined: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "MAX_BURST", 50)
    read = count_reads(monkeypatch)
    begun = time.monotonic()
    async with attacking(confined, tmp_path / "job", "flooding", flood(event)) as child:
        reader = asyncio.create_task(read_all(child))
        await until(lambda: len(read) >= 300)
        reader.cancel()
        assert len(read) <= 50 + child_module.EVENTS_A_SECOND * (time.monotonic() - begun) + 1


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each message of a child that the worker has read."""
    read: list[None] = []
    receive = wire.receive_without_files

    def counted(channel: socket.socket) -> wire.Message | None:
        read.append(None)
        return receive(channel)

    monkeypatch.setattr(wire, "receive_without_files", counted)
    return read


async def read_all(child: Child) -> None:
    while True:
        await child.next_report()


async def test_another_child_is_heard_meanwhile(confined: Zygote, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    async with attacking(confined, tmp_path / "job", "flooding", {"event": "progress", "facts": FACTS}) as flooding:
        reader = asyncio.create_task(read_all(flooding))
        (tmp_path / "good").mkdir()
        good = await begin(zygote, tmp_path / "good", site.url("/media/clip.mp4"))
        async with asyncio.timeout(30):
            while not isinstance(await good.next_report(), Done):
                pass
        await good.close()
        reader.cancel()
