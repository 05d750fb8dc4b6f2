"""Refuses a video whose picture or audio is available with DRM only.

yt-dlp skips formats with DRM and takes the best of the rest, so for a film with protected video it would fetch only the
audio. For a video request, both have to be available without DRM, if they exist at all; for audio, only the audio.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure

_KINDS = {"vcodec": "picture", "acodec": "sound"}


def check_drm(formats: Iterable[Mapping[str, Any]], *, video: bool) -> None:
    """JobFailure where only formats with DRM have the audio or, if it is wanted, the video."""
    protected, clear = set[str](), set[str]()
    for each in formats:
        kinds = clear if not each.get("has_drm") or each["has_drm"] == "maybe" else protected
        kinds |= {codec for codec in _KINDS if each.get(codec) != "none"}
    lacking = protected - clear - (set() if video else {"vcodec"})
    if lacking:
        raise JobFailure(ErrorCode.DRM, f"protected: {', '.join(sorted(_KINDS[codec] for codec in lacking))}")
