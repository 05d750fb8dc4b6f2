"""What is protected of a video, picture or sound, is not passed over for what is not.

yt-dlp leaves out each format with DRM, and then takes the best that is left: of a film with a protected picture, its
sound. Where a picture is asked for, both have to be there in the clear as far as they are there at all; where sound
alone is asked for, clear sound will do.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure

_KINDS = {"vcodec": "picture", "acodec": "sound"}


def check(formats: Iterable[Mapping[str, Any]], *, picture: bool) -> None:
    """JobFailure where a picture, if one is asked for, or the sound can be had in protected formats alone."""
    protected, clear = set[str](), set[str]()
    for each in formats:
        kinds = clear if not each.get("has_drm") or each["has_drm"] == "maybe" else protected
        kinds |= {codec for codec in _KINDS if each.get(codec) != "none"}
    lacking = protected - clear - (set() if picture else {"vcodec"})
    if lacking:
        raise JobFailure(ErrorCode.DRM, f"protected: {', '.join(sorted(_KINDS[codec] for codec in lacking))}")
