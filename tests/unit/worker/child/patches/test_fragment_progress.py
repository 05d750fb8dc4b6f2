"""Fragments that come side by side: how many, and what is told of them."""

import asyncio
from pathlib import Path

import pytest

from support.children import begin, download, next_event
from support.origin.site import Site
from vidferry_worker.child.patches.fragment_progress import FragmentTally
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.fragment_budget import FragmentBudget

pytestmark = pytest.mark.anyio
HELD = "/gated-hls/g/v720/0/"


@pytest.mark.parametrize("fragments", [1, 3, 6])
async def test_as_many_come_at_once_as_were_allowed(fragments: int, zygote: Zygote, site: Site, tmp_path: Path) -> None:
    child = await begin(zygote, tmp_path, site.url(f"{HELD}master.m3u8"), fragments=fragments)
    gate = site.gate("g")
    await asyncio.to_thread(gate.wait_held, fragments)
    held = [one for one in site.requests(f"{HELD}v720/") if one.path.endswith(".ts")]
    gate.open()
    async with asyncio.timeout(60):
        while (event := await next_event(child))["event"] != "done":
            assert event["event"] != "failed", event
    await child.close()

    assert len(held) == fragments
    segments = [one for one in site.settled(f"{HELD}v720/") if one.path.endswith(".ts")]
    assert len(segments) == 6
    assert len({one.connection for one in segments}) <= fragments


async def test_one_that_is_missing_fails_the_download_and_the_rest_is_left(
    zygote: Zygote, site: Site, tmp_path: Path
) -> None:
    outcome = await download(zygote, tmp_path, site.url("/hls-missing/v720/index.m3u8"))

    assert outcome.failure == "origin_error"


def test_bytes_and_shares_are_those_of_all_that_come() -> None:
    tally = FragmentTally(4)

    assert tally.note_fragment({"status": "downloading", "downloaded_bytes": 50, "total_bytes": 100})["fragment"] == 0.5
    first = tally.note_fragment({"status": "finished", "downloaded_bytes": 100, "total_bytes": 100})
    second = tally.note_fragment({"status": "downloading", "downloaded_bytes": 75, "total_bytes": 300})
    unknown = tally.note_fragment({"status": "downloading", "downloaded_bytes": 75, "total_bytes": None})
    belied = tally.note_fragment({"status": "downloading", "downloaded_bytes": 75, "total_bytes": 60})

    assert (first["fragment"], first["downloaded"], first["estimate"]) == (1, 100, 400)
    assert (second["fragment"], second["downloaded"], second["estimate"]) == (1.25, 175, 800)
    assert (unknown["fragment"], unknown["downloaded"], unknown["estimate"]) == (1, 175, 400)
    assert (belied["fragment"], belied["downloaded"], belied["estimate"]) == (1, 175, 400)


def test_a_sites_share_is_never_more_than_all_may_have_and_one_at_least() -> None:
    budget = FragmentBudget(per_download=6, per_site=8)
    with budget.reserve("a.example") as first, budget.reserve("a.example") as second:
        with budget.reserve("a.example") as third, budget.reserve("b.example") as other:
            assert (first, second, third, other) == (6, 2, 1, 6)
        with budget.reserve("a.example") as again:
            assert again == 1
    with budget.reserve("a.example") as later:
        assert later == 6
