"""Decides how often and when a failed download is tried again, and what its watchers are told."""

from dataclasses import dataclass

from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.store import Claim, Store, StoreUnavailable
from vidferry_worker.retry import requested_delay, retry_delay
from vidferry_worker.settings import WorkerSettings

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The next try of a failed download."""

    limit: int
    """retries that the download may have had with this one; otherwise it fails"""
    delay: float
    """seconds until the next try"""
    message: str
    """for its watchers"""
    outdated: str = ""
    """the version of yt-dlp that does not understand the site"""
    awaits_bundle: bool = False
    """whether the delay ends with a look for a newer yt-dlp"""


async def plan_retry(
    failure: JobFailure, claim: Claim, yt_dlp: str, settings: WorkerSettings, store: Store
) -> RetryPlan:
    """The plan for a failure that may be tried again. yt_dlp: the version that the attempt ran; empty: none.

    No try is sooner than the site asked for. One that needs a newer yt-dlp waits until the leader has looked for one.
    """
    code, reason = failure.code, failure.code.sentence.partition(" Try again")[0]
    asked = requested_delay(failure.retry_after or 0, settings.max_retry_after)
    delay = max(retry_delay(settings.retry_delay, claim.retries), asked)
    if code is not ErrorCode.EXTRACTOR_OUTDATED:
        return RetryPlan(settings.retries, delay, f"{reason} {stages.TRIED_AGAIN}")
    if claim.outdated or settings.retries == 0:
        return RetryPlan(claim.retries, delay, reason)
    limit, outdated = claim.retries + 1, yt_dlp or UNKNOWN
    wait = await _ask_for_newer(store, yt_dlp)
    if not wait:
        return RetryPlan(limit, delay, f"{reason} {stages.TRIED_AGAIN}", outdated)
    return RetryPlan(limit, max(delay, wait), f"{stages.LOOKS_FOR_NEWER} {stages.TRIED_AGAIN}", outdated, True)


async def _ask_for_newer(store: Store, yt_dlp: str) -> float | None:
    try:
        return await store.bundles.ask_for_newer(yt_dlp) if yt_dlp else None
    except StoreUnavailable:
        return None
