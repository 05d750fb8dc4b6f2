"""How long a stream of fragments says that it is: known from its list, before the first fragment is fetched.

What a site tells of a video's length may be nothing, or untrue.
"""

import re
from collections.abc import Mapping
from typing import Any

from yt_dlp.downloader.hls import HlsFD

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.dash.segments import Fragments

_EXTINF = re.compile(r"^\s*#EXTINF:\s*(\d+(?:\.\d*)?)", re.MULTILINE)


def of_playlist(text: str) -> float:
    """Seconds of an HLS media playlist (RFC 8216 §4.3.2.1)."""
    return sum(map(float, _EXTINF.findall(text)))


def of_fragments(stream: Mapping[str, Any]) -> float:
    """Seconds of a stream whose fragments extraction has listed, as of DASH, or of a file that a manifest names.

    0 where neither is told.
    """
    fragments = stream.get("fragments")
    if isinstance(fragments, Fragments):
        return fragments.length or stream.get("announced_seconds") or 0
    if isinstance(fragments, list):
        return sum(fragment.get("duration") or 0 for fragment in fragments)
    return stream.get("announced_seconds") or 0


def hold(most: float) -> None:
    """From here on an HLS stream of more seconds is given up once its playlist is here: JobFailure."""
    can_download = HlsFD.can_download

    def held(manifest: str, *args: Any, **options: Any) -> Any:
        if of_playlist(manifest) > most:
            raise JobFailure(ErrorCode.TOO_LONG, "as its playlist tells")
        return can_download(manifest, *args, **options)

    HlsFD.can_download = staticmethod(held)
