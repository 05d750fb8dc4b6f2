"""Bundles: which yt-dlp the fleet runs, which versions it never takes, what each worker runs, and how attempts went."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import orjson

from vidferry_common.contract import keys
from vidferry_common.contract.bundles import MAX_REASON, MAX_WORKER, Bundle, Versions, is_version
from vidferry_common.store.scripts import ScriptRunner
from vidferry_common.text import remove_controls

MAX_HELD = 64
"""versions that are held at a time"""
MAX_REPORTS = 1000
"""workers whose reports are kept"""
REPORT_SECONDS = 180.0
"""for which a report counts"""
MAX_COUNTED = 8
"""versions whose attempts are counted"""
MAX_PAIRS = 500
"""callers and sites that are kept for each of them and each outcome"""
COUNTED_SECONDS = 48 * 3600
TRIAL_SECONDS = 3600.0
"""after its publication, in which the fleet may leave a bundle again by itself"""
BEFORE_SECONDS = 24 * 3600.0
"""before the publication, in which attempts on the version before it count"""
WATCH_SECONDS = 600.0
"""for which it is known that somebody looks for bundles; longer than one look takes"""
SWITCH_SECONDS = 60.0
"""in which all workers switch to a bundle that was published"""
LOOK_PAUSE = 600.0
"""seconds between two looks that downloads ask for"""
LONGEST_WAIT = 900.0
"""seconds that a download waits for a look"""


class Publishing(StrEnum):
    """What came of a publication; the values are the script's."""

    PUBLISHED = "published"
    HELD = "held"
    """that version is never taken"""
    NOT_LEADER = "not_leader"
    """another worker leads"""


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """Why a version is never taken."""

    reason: str
    since: int
    """ms"""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker runs."""

    worker: str
    versions: Versions
    problem: str = ""
    """why it does not run the fleet's bundle; empty where it does"""


class CallerAtSite(NamedTuple):
    """A caller's digest, and the site that the caller downloads from. The caller is empty where it isn't known."""

    caller: str
    site: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How attempts on one version of yt-dlp went. Who had both outcomes is in both sets."""

    worked: frozenset[CallerAtSite] = frozenset()
    failed: frozenset[CallerAtSite] = frozenset()
    """by codes of BLAMED"""


@dataclass(frozen=True, slots=True)
class Trial:
    """A bundle in the first hour after its publication."""

    version: str
    before: Tally
    """of the version before it, in that one's last hours"""
    since: Tally


class BundleStore:
    """The records of bundles in Redis. Every method raises StoreUnavailable where Redis can't be asked."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    async def current(self) -> Bundle | None:
        """The bundle that the fleet runs; None: each worker runs the yt-dlp of its image."""
        return Bundle.parse(await self._scripts.await_reply(self._scripts.redis.hgetall(keys.BUNDLE)))

    async def before(self) -> Bundle | None:
        """The bundle to which the fleet would go back; None: to the yt-dlp of its image, or it runs that one now."""
        return Bundle.parse(await self._scripts.await_reply(self._scripts.redis.hgetall(keys.BUNDLE_BEFORE)))

    async def publish(self, worker: str, bundle: Bundle) -> Publishing:
        """Makes it the bundle that the fleet runs. worker: that has to lead. Again by a lost reply: the same."""
        outcome = await self._scripts.run(
            "publish_bundle", [keys.BUNDLE, keys.LEADER], worker=worker, bundle=bundle.record()
        )
        return Publishing(outcome.decode())

    async def hold(self, version: str, reason: str) -> None:
        """Has a version never be published. Where the fleet runs it already, roll_back() is what ends that."""
        if not is_version(version):
            raise ValueError("only a version can be held")
        await self._scripts.run(
            "hold_bundle", [keys.HELD_BUNDLES], version=version, reason=_told(reason), most=MAX_HELD
        )

    async def held(self) -> dict[str, HeldVersion]:
        """The versions that are never taken."""
        found = await self._scripts.await_reply(self._scripts.redis.hgetall(keys.HELD_BUNDLES))
        return {version.decode(): _parse_held(value) for version, value in found.items()}

    async def roll_back(self, worker: str, version: str, reason: str) -> bool:
        """Has the fleet leave that version, for the bundle before it or the image's yt-dlp, and holds the version.

        False where another worker leads, or the fleet does not run that version.
        """
        return bool(
            await self._scripts.run(
                "roll_back_bundle",
                [keys.BUNDLE, keys.LEADER],
                worker=worker,
                version=version,
                reason=_told(reason),
                most=MAX_HELD,
            )
        )

    async def report(self, worker: str, versions: Versions, problem: str = "") -> None:
        """Tells what a worker runs, for REPORT_SECONDS. problem: why it does not run the fleet's bundle."""
        report = {**versions.as_dict(), "problem": _told(problem)}
        await self._scripts.run(
            "report_versions",
            [keys.REPORTING_WORKERS],
            worker=worker[:MAX_WORKER],
            report=orjson.dumps(report),
            keep_ms=int(REPORT_SECONDS * 1000),
            most=MAX_REPORTS,
        )

    async def reports(self) -> list[WorkerReport]:
        """What the workers run, by their names. One of an older release reports nothing."""
        flat = await self._scripts.run("list_versions", [keys.REPORTING_WORKERS], most=MAX_REPORTS)
        return [_parse_report(worker, told) for worker, told in zip(flat[::2], flat[1::2], strict=True)]

    async def count_attempt(self, download_id: str, version: str, *, worked: bool) -> None:
        """Counts how an attempt went on that version of yt-dlp; nothing if its download has ended: its site is gone."""
        await self._scripts.run(
            "count_attempt",
            [keys.DOWNLOAD + download_id],
            version=version,
            worked=worked,
            keep_s=COUNTED_SECONDS,
            most_versions=MAX_COUNTED,
            most=MAX_PAIRS,
        )

    async def read_trial(self, worker: str) -> Trial | None:
        """How a new bundle does, for the worker that leads. None where another one leads or no bundle is new."""
        told = await self._scripts.run(
            "read_trial",
            [keys.BUNDLE, keys.LEADER],
            worker=worker,
            trial_ms=int(TRIAL_SECONDS * 1000),
            before_ms=int(BEFORE_SECONDS * 1000),
        )
        if told is None:
            return None
        version, *pairs = told
        worked_before, failed_before, worked, failed = map(_parse_pairs, pairs)
        return Trial(version.decode(), Tally(worked_before, failed_before), Tally(worked, failed))

    async def check_look_due(self, worker: str, interval: float, *, ended: bool = False) -> float | None:
        """Seconds until a look for a newer bundle is due; 0 where a download asks. None where another worker leads.

        ended: a look has just ended, whether it found something or not. To be called every few seconds between two
        looks: it also has the downloads tried again that have waited for one.
        """
        due_ms = await self._scripts.run(
            "bundle_look_due",
            [keys.BUNDLE_LOOKS, keys.LEADER],
            worker=worker,
            interval_ms=int(interval * 1000),
            ended=ended,
            watch_ms=int(WATCH_SECONDS * 1000),
            switch_ms=int(SWITCH_SECONDS * 1000),
        )
        return None if due_ms is None else due_ms / 1000

    async def ask_for_newer(self, version: str) -> float | None:
        """Asks the leader to look for a newer yt-dlp than that version, on which a download has failed.

        Returns for how many seconds the download is to wait at most; 0 where a look has just found nothing. None where
        nobody looks for bundles.
        """
        wait_ms = await self._scripts.run(
            "ask_for_bundle",
            [keys.BUNDLE_LOOKS],
            version=version,
            pause_ms=int(LOOK_PAUSE * 1000),
            wait_ms=int(LONGEST_WAIT * 1000),
            switch_ms=int(SWITCH_SECONDS * 1000),
        )
        return None if wait_ms is None else wait_ms / 1000


def _told(text: str) -> str:
    """What a bundle may have said, as text that Redis takes."""
    return remove_controls(text)[:MAX_REASON]


def _parse_held(value: bytes) -> HeldVersion:
    since, _, reason = value.decode().partition(" ")
    return HeldVersion(reason, int(since))


def _parse_report(worker: bytes, told: bytes) -> WorkerReport:
    report = orjson.loads(told)
    return WorkerReport(worker.decode(), Versions.parse(report), str(report.get("problem", "")))


def _parse_pairs(members: Iterable[bytes]) -> frozenset[CallerAtSite]:
    return frozenset(CallerAtSite(*member.decode().split(" ", 1)) for member in members)
