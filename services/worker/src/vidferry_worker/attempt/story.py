"""The story of a download that has ended, for one entry of the log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage
from vidferry_common.store import Claim


def describe_end(claim: Claim, update: Update, stages: Mapping[Stage, float], yt_dlp: str) -> dict[str, Any]:
    """The fields of `download ended`. stages: seconds in each, of the last attempt. yt_dlp: its version, if it ran."""
    result, error = update.result, update.error
    story: dict[str, Any] = {
        "status": update.status,
        "outcome": update.outcome,
        "format": claim.format.canonical(),
        "seconds": round((datetime.now(UTC) - datetime.fromisoformat(claim.created)).total_seconds(), 3),
        "waited": round(claim.waited, 3),
        "stages": {stage.value: round(seconds, 3) for stage, seconds in stages.items()},
        "retries": claim.retries,
    }
    if result:
        story["bytes"] = result.size
    if error:
        story["code"] = error.code
    if yt_dlp:
        story["yt_dlp_version"] = yt_dlp
    return story
