"""A worker follows what is published, and stays on what it has where it can't."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.bundles import EJS, IMAGE, LIAR, NEWER, NEWEST, make_tiny_wheels
from support.children import members, until
from support.records import Records, of
from support.zygotes import LOOPBACK
from vidferry_common.bucket import Bucket
from vidferry_common.contract import keys
from vidferry_common.contract.bundles import Bundle
from vidferry_worker.bundles import switch as switch_module
from vidferry_worker.bundles.library import FOLDER, Library, Wheels
from vidferry_worker.bundles.switch import BundleSwitch
from vidferry_worker.children.confinement import Confinement
from vidferry_worker.children.engine import Engine
from vidferry_worker.children.zygote import Zygote
from vidferry_worker.children.zygotes import Zygotes
from vidferry_worker.network.broker import Broker

pytestmark = pytest.mark.anyio
LEADER = "leader"


class ImageZygote(Zygote):
    """The image's, which is not started here: nothing is downloaded."""

    async def start(self) -> None:
        """Takes seconds, and is tested elsewhere."""


@dataclass
class Setting:
    """A worker, with a bucket and Redis."""

    records: Records
    bucket: Bucket
    folder: Path
    told: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work = self.folder / "work"
        self.work.mkdir()
        self.zygotes = Zygotes(lambda: ImageZygote(Broker(LOOPBACK), folder=self.work))
        self.switch = self.make_switch()

    def make_switch(self, suits: Callable[[str], bool] = lambda _: True) -> BundleSwitch:
        return BundleSwitch(
            self.records.store, Library(self.bucket), self.zygotes, folder=self.work, room=asyncio.Lock(),
            make_zygote=lambda code, work, engine: Zygote(Broker(LOOPBACK), Confinement(), work, code, engine),
            suits=suits, on_change=self.told.append, count_load=self.loads.append,
        )  # fmt: skip

    async def publish(self, release: str, code: str = LIAR.replace("CODE", "time.sleep(3600)")) -> Bundle:
        await of(self.records.redis.hset(keys.LEADER, "worker", LEADER))
        folder = self.folder / f"wheels-{release}"
        await asyncio.to_thread(folder.mkdir)
        bundle = await Library(self.bucket).save(Wheels.check(make_tiny_wheels(folder, release, code=code)), IMAGE)
        await self.records.store.bundles.publish(LEADER, bundle)
        return bundle

    async def roll_back(self, release: str) -> None:
        assert await self.records.store.bundles.roll_back(LEADER, release, "a test")

    @property
    def runs(self) -> str:
        return self.zygotes.current.engine.yt_dlp

    @property
    def homes(self) -> int:
        return len(list(self.work.glob("bundle-*")))


@pytest.fixture
async def setting(
    records: Records, bucket: Bucket, tmp_path: Path, worker_environment: pytest.MonkeyPatch
) -> AsyncIterator[Setting]:
    made = Setting(records, bucket, tmp_path)
    yield made
    await made.zygotes.close()


async def test_it_follows_what_is_published_and_taken_back(setting: Setting) -> None:
    check = setting.switch.check_published
    await check()
    assert (setting.runs, setting.told) == (IMAGE, [])
    await setting.publish(NEWER)
    await check()
    assert setting.zygotes.current.engine == Engine(NEWER, EJS)
    await setting.publish(NEWEST)
    await check()
    assert setting.runs == NEWEST
    await setting.roll_back(NEWEST)
    await check()
    assert setting.runs == NEWER
    await setting.roll_back(NEWER)
    await check()
    assert setting.runs == IMAGE
    assert setting.told == [""] * 4
    assert setting.loads == ["loaded"] * 4


async def test_two_generations_at_most(setting: Setting) -> None:
    """While a download runs on the one before, a third is not loaded; going back needs no third."""
    check, zygotes = setting.switch.check_published, setting.zygotes
    async with zygotes.current.open_folder("of a download that runs"):
        await setting.publish(NEWER)
        await check()
        assert zygotes.has_former
        await setting.publish(NEWEST)
        await check()
        assert setting.runs == NEWER
        assert setting.homes == 1
    await check()
    await check()
    assert setting.runs == NEWEST
    template = zygotes.current.template
    async with zygotes.current.open_folder("another"):
        await setting.roll_back(NEWEST)
        await check()
        assert setting.runs == NEWER
        assert zygotes.has_former
        assert template
        assert members(template.pid) == {template.pid}
    await zygotes.close_former()
    await until(lambda: not members(template.pid))
    await check()
    assert setting.homes == 1


async def test_one_that_can_t_be_loaded_is_tried_again_with_growing_pauses(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = setting.switch.check_published
    await setting.publish(NEWER, code="raise ValueError('no')")
    await check()
    assert setting.runs == IMAGE
    assert "ValueError: no" in setting.told[-1]
    await check()
    assert setting.loads == ["failed"]
    setting.switch._next_try = 0.0
    await check()
    assert setting.loads == ["failed"] * 2
    pauses = [setting.switch._pause]
    for _ in range(7):
        setting.switch._note_failure(setting.switch._failed, "again")
        pauses.append(setting.switch._pause)
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    await setting.publish(NEWEST)
    await check()
    assert (setting.runs, setting.told[-1], setting.loads[-1]) == (NEWEST, "", "loaded")
    await check()
    assert setting.homes == 1


@pytest.mark.parametrize("fault", ["a tampered wheel", "a bucket that is away", "a full disk"])
async def test_faults(fault: str, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    await setting.publish(NEWER)
    with monkeypatch.context() as patch:
        if fault == "a tampered wheel":
            names = [stored.name async for page in setting.bucket.list_objects(FOLDER) for stored in page]
            await Library(setting.bucket)._put(next(each for each in names if each.endswith(".whl")), b"x")
        elif fault == "a bucket that is away":
            (setting.folder / "bucket").rename(setting.folder / "away")
        else:
            patch.setattr(Path, "write_bytes", _refuse_to_write)
        await setting.switch.check_published()
    assert (setting.runs, setting.loads) == (IMAGE, ["failed"])
    assert setting.told[-1]
    assert setting.homes == 0


def _refuse_to_write(*_: object) -> int:
    raise OSError(28, os.strerror(28))


async def test_a_version_that_does_not_suit_is_not_taken(setting: Setting) -> None:
    await setting.publish(NEWER)
    await setting.make_switch(lambda version: version != NEWER).check_published()
    assert setting.runs == IMAGE


async def test_a_bundle_that_dies_and_does_not_come_back_leaves_the_image_s(setting: Setting) -> None:
    await setting.publish(NEWER)
    await setting.switch.check_published()
    zygote = setting.zygotes.current
    (home,) = setting.work.glob("bundle-*")
    (home / "code" / "yt_dlp" / "__init__.py").write_text("raise ValueError('now')")
    zygote._kill_process()
    await until(lambda: zygote.template is None)
    assert (await setting.zygotes.started()).engine.yt_dlp == IMAGE
    assert "ValueError: now" in setting.told[-1]
    await setting.switch.check_published()
    assert setting.runs == IMAGE  # until the pause is over
    assert switch_module.FIRST_PAUSE == 30
