"""How long a stream of fragments says that it is: known from its list, before the first fragment is fetched.

What a site tells of a video's length may be nothing, or untrue.
"""

from collections.abc import Mapping
from typing import Any

from vidferry_worker.child.dash.segments import Fragments
from vidferry_worker.child.hls.durations import sum_seconds


def of_playlist(text: str) -> float:
    """Seconds of an HLS media playlist, of the segments that are asked for."""
    return sum_seconds(text.splitlines())


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
