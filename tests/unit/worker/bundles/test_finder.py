"""Looks for a newer yt-dlp: what is published, what is held, and what faults leave behind."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.bundles import EJS, IMAGE, NEWER, NEWEST, OLDER, Index, make_tiny_wheels
from support.records import Records, of
from vidferry_common.bucket import Bucket
from vidferry_common.contract import keys
from vidferry_worker.bundles import download, finder, library
from vidferry_worker.bundles.canary import CanaryFailed, CanaryTimedOut
from vidferry_worker.bundles.finder import BundleFinder
from vidferry_worker.bundles.library import Library
from vidferry_worker.bundles.policy import BundlePolicy
from vidferry_worker.bundles.wheel import MAX_WHEEL

pytestmark = [pytest.mark.anyio, pytest.mark.bundles, pytest.mark.timeout(300)]
WORKER = "leader"


class Canary:
    """In the canary's place: it is tested in test_canary.py."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.bad: set[str] = set()
        """packages that it refuses; `image` is the image's yt-dlp"""
        self.bad_once: set[str] = set()
        """of these, those that it refuses only the first time"""
        self.slow: set[str] = set()
        """packages for which it takes too long"""

    async def __call__(self, code: Path | None, work: Path) -> None:
        text = await asyncio.to_thread((code / "yt_dlp" / "__init__.py").read_text) if code else "release = 'image'"
        release = text.split("'")[1]
        assert await asyncio.to_thread(lambda: list(work.iterdir())) == []
        self.tried.append(release)
        if release in self.bad:
            self.bad -= self.bad_once
            raise CanaryFailed("it is bad\ud800")
        if release in self.slow:
            raise CanaryTimedOut("it takes too long")


def offer(index: Index, release: str) -> None:
    made = index.folder / f"made-{release}"
    made.mkdir()
    index.add(*make_tiny_wheels(made, release).values())


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.fixture
async def make_finder(records: Records, bucket: Bucket, canary: Canary, tmp_path: Path) -> Any:
    await of(records.redis.hset(keys.LEADER, "worker", WORKER))

    def make(
        wanted: str = "stable", hold: tuple[str, ...] = (), has_memory: Callable[[], bool] = lambda: True
    ) -> BundleFinder:
        return BundleFinder(
            records.store, Library(bucket), BundlePolicy.parse(wanted, hold), interval=3600, worker=WORKER,
            folder=tmp_path / "look", has_memory=has_memory, room=asyncio.Lock(), try_bundle=canary,
            count_look=lambda _: None,
        )  # fmt: skip

    return make


async def test_a_newer_one_is_tried_and_published(
    index: Index, make_finder: Any, canary: Canary, records: Records, tmp_path: Path
) -> None:
    offer(index, OLDER)
    finder = make_finder()
    assert await finder.look() == "nothing_new"
    offer(index, NEWER)
    assert await finder.look() == "published"
    bundle = await records.store.bundles.current()
    assert bundle
    assert (bundle.version, bundle.ejs_version, bundle.previous) == (NEWER, EJS, IMAGE)
    assert await finder.look() == "nothing_new"
    assert canary.tried == [NEWER]
    assert not (tmp_path / "look").exists()


async def test_one_that_fails_the_canary_is_held_and_never_tried_again(
    index: Index, make_finder: Any, canary: Canary, records: Records
) -> None:
    offer(index, NEWER)
    canary.bad = {NEWER}
    finder = make_finder()
    assert await finder.look() == "refused"
    held = await records.store.bundles.held()
    assert held[NEWER].reason == "its canary failed: it is bad"
    assert await finder.look() == "held"
    assert await records.store.bundles.current() is None
    offer(index, NEWEST)
    assert await finder.look() == "published"
    assert canary.tried == [NEWER, "image", NEWER, NEWEST]


async def test_one_that_fails_the_canary_once_is_published(
    index: Index, make_finder: Any, canary: Canary, records: Records
) -> None:
    offer(index, NEWER)
    canary.bad = canary.bad_once = {NEWER}
    assert await make_finder().look() == "published"
    assert canary.tried == [NEWER, "image", NEWER]
    assert await records.store.bundles.held() == {}


@pytest.mark.parametrize("bad_first", [False, True])
async def test_a_time_out_is_no_verdict(
    bad_first: bool, index: Index, make_finder: Any, canary: Canary, records: Records
) -> None:
    """A busy machine would hold a good version for ever."""
    offer(index, NEWER)
    canary.slow = {NEWER}
    canary.bad = canary.bad_once = {NEWER} if bad_first else set()
    made = make_finder()
    assert await made.look() == "failed"
    assert canary.tried == [NEWER, "image", NEWER]
    assert await records.store.bundles.held() == {}
    canary.slow = set()
    assert await made.look() == "published"


async def test_a_version_is_not_tried_over_and_over(
    index: Index, make_finder: Any, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "MAX_TRIES", 2)
    offer(index, NEWER)
    canary.slow = {NEWER}
    made = make_finder()
    assert [await made.look() for _ in range(3)] == ["failed"] * 3
    assert canary.tried.count("image") == 2
    offer(index, NEWEST)
    assert await made.look() == "published"
    monkeypatch.setattr(finder, "DAY", 0.0)
    made._policy = BundlePolicy.parse(NEWER)
    assert await made.look() == "failed"
    assert canary.tried.count("image") == 3, "the next day"


async def test_without_memory_for_a_trial_nothing_is_tried(
    index: Index, make_finder: Any, canary: Canary, records: Records
) -> None:
    """What is found is said all the same, so that whoever waits for the look goes on."""
    has_memory = False
    made = make_finder(has_memory=lambda: has_memory)
    assert await made.look() == "failed", "the index has nothing"
    offer(index, OLDER)
    assert await made.look() == "nothing_new"
    offer(index, NEWER)
    assert await made.look() == "failed"
    assert (canary.tried, await records.store.bundles.held()) == ([], {})
    has_memory = True
    assert await made.look() == "published"


async def test_where_the_image_s_fails_too_the_bundle_is_not_blamed(
    index: Index, make_finder: Any, canary: Canary, records: Records
) -> None:
    """The machine has no memory left, or the disk is full."""
    offer(index, NEWER)
    canary.bad = {NEWER, "image"}
    finder = make_finder()
    assert await finder.look() == "failed"
    assert await records.store.bundles.held() == {}
    canary.bad = set()
    assert await finder.look() == "published"


async def test_versions_that_the_operator_holds(index: Index, make_finder: Any, records: Records) -> None:
    """Also one that the fleet runs: it is left."""
    offer(index, NEWER)
    assert await make_finder(hold=(NEWER,)).look() == "held"
    assert await make_finder().look() == "published"
    assert await make_finder(hold=(NEWER,)).look() == "held"
    assert await records.store.bundles.current() is None


async def test_an_exact_version_may_be_older(index: Index, make_finder: Any, records: Records) -> None:
    for release in (OLDER, NEWER):
        offer(index, release)
    finder = make_finder(OLDER)
    assert await finder.look() == "published"
    asked = len(index.requests)
    assert await finder.look() == "nothing_new"
    assert len(index.requests) == asked
    bundle = await records.store.bundles.current()
    assert bundle
    assert bundle.version == OLDER


async def test_an_older_one_that_nobody_runs_any_more_is_not_compared_with(
    index: Index, make_finder: Any, records: Records
) -> None:
    """It was wanted, and now the newest one is."""
    offer(index, OLDER)
    assert await make_finder(OLDER).look() == "published"
    offer(index, NEWER)
    assert await make_finder().look() == "published"
    bundle = await records.store.bundles.current()
    assert bundle
    assert (bundle.version, bundle.previous) == (NEWER, IMAGE)


async def test_who_does_not_lead_publishes_nothing(index: Index, make_finder: Any, records: Records) -> None:
    offer(index, NEWER)
    finder = make_finder()
    await of(records.redis.hset(keys.LEADER, "worker", "another"))
    assert await finder._look_when_due() > 0
    assert index.requests == []
    assert await finder.look() == "failed"
    assert await records.store.bundles.current() is None


async def test_an_index_or_a_bucket_that_is_away(
    index: Index, make_finder: Any, records: Records, tmp_path: Path
) -> None:
    offer(index, NEWER)
    finder = make_finder()
    index.is_down = True
    assert await finder.look() == "failed"
    index.is_down = False
    (tmp_path / "bucket").rename(tmp_path / "away")
    assert await finder.look() == "failed"
    assert await records.store.bundles.current() is None
    (tmp_path / "away").rename(tmp_path / "bucket")
    assert await finder.look() == "published"
    assert not (tmp_path / "look").exists()


@pytest.mark.parametrize("full_at", ["the wheels", "their files"])
async def test_a_full_disk_holds_nothing(
    full_at: str, index: Index, make_finder: Any, canary: Canary, records: Records, tmp_path: Path
) -> None:
    offer(index, NEWER)
    finder = make_finder()
    with pytest.MonkeyPatch.context() as patch:
        if full_at == "the wheels":
            patch.setattr(download, "_LIMITED_PIP", download._LIMITED_PIP.replace(str(MAX_WHEEL), "300"))
        else:
            patch.setattr(library, "unpack", _refuse_to_write)
        assert await finder.look() == "failed"
    assert (canary.tried, await records.store.bundles.held()) == ([], {})
    assert not (tmp_path / "look").exists()
    assert await finder.look() == "published"


def _refuse_to_write(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_look_is_made_once_in_an_interval(index: Index, make_finder: Any, records: Records) -> None:
    finder = make_finder()
    assert await finder._look_when_due() > 0  # the index has nothing
    asked = len(index.requests)
    assert asked > 0
    assert await make_finder()._look_when_due() > 0
    assert len(index.requests) == asked
