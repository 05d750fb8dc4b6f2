"""The bounds of one extraction, and of the video that one download may make."""

from dataclasses import dataclass
from typing import Self

from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.store import Claim
from vidferry_worker.children.protocol import Pacing
from vidferry_worker.children.session import ExtractionLimits
from vidferry_worker.settings import WorkerSettings
from vidferry_worker.sites.rules import SiteRule


@dataclass(frozen=True, slots=True)
class VideoBounds:
    """The longest and the largest video that a download may make."""

    max_duration: float
    """seconds"""
    max_bytes: int

    @classmethod
    def of(cls, settings: WorkerSettings, claim: Claim) -> Self:
        return cls(
            min(settings.max_duration, claim.max_duration or settings.max_duration),
            min(settings.max_bytes, claim.max_bytes or settings.max_bytes),
        )


def extraction_limits(settings: WorkerSettings, rule: SiteRule) -> ExtractionLimits:
    """The limits of one extraction. The pauses between a site's requests may take as long again as it may without."""
    seconds = settings.extract_seconds
    return ExtractionLimits(2 * seconds if rule.sleep else seconds, settings.extract_cpu_seconds)


def extraction_stall_seconds(settings: WorkerSettings) -> float:
    """The seconds without a byte after which an extraction has stalled.

    That is tried again, so it comes before the end of the time that the extraction has in all, which is final.
    """
    return min(settings.stall_seconds, settings.extract_seconds / 2)


def pacing_of(settings: WorkerSettings, rule: SiteRule) -> Pacing:
    """The pauses between a site's requests."""
    return Pacing(rule.sleep, settings.extract_seconds)


def check_owner_limits(claim: Claim, stored: StoredObject) -> None:
    """Raises JobFailure if an object that another download made is beyond the limits of this one's owner."""
    if claim.max_bytes and stored.size > claim.max_bytes:
        raise JobFailure(ErrorCode.TOO_LARGE)
    duration = stored.metadata.get("duration")
    if claim.max_duration and duration and float(duration) > claim.max_duration:
        raise JobFailure(ErrorCode.TOO_LONG)
