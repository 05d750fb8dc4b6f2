"""The duration of a segmented stream by its playlist or manifest, known before the first segment is fetched.

The duration that a site states for a video may be missing or wrong.
"""

from collections.abc import Mapping
from typing import Any

from vidferry_worker.child.dash.segments import Fragments
from vidferry_worker.child.hls.durations import sum_seconds


def playlist_duration(text: str) -> float:
    """Seconds of an HLS media playlist: the sum of the segments that are fetched."""
    return sum_seconds(text.splitlines())


def fragments_duration(stream: Mapping[str, Any]) -> float:
    """Seconds of a stream whose fragments the extraction has listed (DASH), or of a file that a manifest names.

    0 where unknown.
    """
    fragments = stream.get("fragments")
    if isinstance(fragments, Fragments):
        return fragments.duration or stream.get("announced_seconds") or 0
    if isinstance(fragments, list):
        return sum(fragment.get("duration") or 0 for fragment in fragments)
    return stream.get("announced_seconds") or 0
