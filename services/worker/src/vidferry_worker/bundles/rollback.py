"""Takes a new bundle back where sites do not work any more. The leader decides, by how attempts went.

A **known** site is one where the version before worked, in its last day, for more callers than it only failed for.
It is **broken** if it has been tried on the new version, and has not worked for anybody. Only failures count that a bad
yt-dlp causes (`BLAMED`), and how often somebody tries makes no difference.

The bundle is taken back within an hour of its publication, if

- at least three known sites are broken, and at least half of those that have been tried; and
- this is not one caller's doing: without any one of the callers, at least one known site is still broken, and half of
  those tried. Where the service has only one caller, that one is enough.

So no one site and no one caller can bring it about, and neither can URLs that have never worked.
"""

import asyncio
import logging
from collections import Counter

from vidferry_common.store import Store, StoreUnavailable, Tally, Trial
from vidferry_worker.metrics import WorkerMetrics

logger = logging.getLogger(__name__)

MIN_BROKEN = 3
"""known sites that have to be broken"""
MIN_SHARE = 0.5
"""of the known sites that have been tried"""
NAMED_SITES = 5
"""broken sites that the reason names"""
INTERVAL = 10.0
"""seconds between two looks at a new bundle"""


def find_broken_sites(trial: Trial) -> set[str]:
    """The known sites that a new bundle has broken, if they are enough to take it back; otherwise none."""
    broken = _broken_sites(trial, MIN_BROKEN)
    pairs = frozenset().union(*(tally.worked | tally.failed for tally in (trial.before, trial.since)))
    if len({pair.caller for pair in pairs}) > 1:
        involved = {pair.caller for pair in pairs if pair.site in broken}
        if not all(_broken_sites(_without(trial, caller), 1) for caller in involved):
            return set()
    return broken


def _broken_sites(trial: Trial, least: int) -> set[str]:
    """The broken ones of the known sites, if they are at least so many, and at least MIN_SHARE of those tried."""
    worked = {pair.site for pair in trial.since.worked}
    tried = (worked | {pair.site for pair in trial.since.failed}) & _known_sites(trial.before)
    broken = tried - worked
    return broken if len(broken) >= max(least, MIN_SHARE * len(tried)) else set()


def _known_sites(before: Tally) -> set[str]:
    worked = Counter(pair.site for pair in before.worked)
    only_failed = Counter(pair.site for pair in before.failed - before.worked)
    return {site for site, callers in worked.items() if callers > only_failed[site]}


def _without(trial: Trial, caller: str) -> Trial:
    def leave_out(tally: Tally) -> Tally:
        worked, failed = (
            frozenset(pair for pair in pairs if pair.caller != caller) for pairs in (tally.worked, tally.failed)
        )
        return Tally(worked, failed)

    return Trial(trial.version, leave_out(trial.before), leave_out(trial.since))


class RollbackWatch:
    """Watches how new bundles do, while this worker leads."""

    def __init__(self, store: Store, worker: str, metrics: WorkerMetrics) -> None:
        self._store, self._worker, self._metrics = store, worker, metrics

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.check_bundle()
            except StoreUnavailable as error:
                logger.debug("the look at a new bundle waits for Redis", extra={"error": str(error)})
            await asyncio.sleep(INTERVAL)

    async def check_bundle(self) -> None:
        """Takes the new bundle back, if there is one and the rule says so."""
        trial = await self._store.bundles.read_trial(self._worker)
        if trial is None:
            return
        broken = sorted(await asyncio.to_thread(find_broken_sites, trial))  # with many callers it takes up to a second
        if not broken:
            return
        others = f" and {len(broken) - NAMED_SITES} others" if len(broken) > NAMED_SITES else ""
        reason = f"these sites did not work any more: {', '.join(broken[:NAMED_SITES])}{others}"
        if await self._store.bundles.roll_back(self._worker, trial.version, reason):
            self._metrics.bundle_rollbacks.add()
            logger.warning("a bundle was taken back", extra={"yt_dlp": trial.version, "sites": broken[:NAMED_SITES]})
