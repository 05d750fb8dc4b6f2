"""The duration that a playlist or manifest announces for a stream, and by how much a file may fall short of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET  # the type alone: yt-dlp has parsed it

from yt_dlp.utils import parse_duration

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child import durations

TOLERATED_SECONDS, TOLERATED_SHARE = 0.5, 0.02
"""A file may be this much shorter than its playlist says: audio has a lead-in, and encoders drop frames."""
MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE = 2.0, 0.1
"""the same for the total duration that a DASH manifest announces"""
WHOLE_MANIFEST = "_presentation"
"""Our own key in a yt-dlp format: the total duration that its DASH manifest announces."""
_EXTINF = re.compile(r"^\s*#EXTINF:\s*(\d{1,9})(?:\.(\d*))?", re.MULTILINE)
_ADVERTISING = ("#ANVATO-SEGMENT-INFO", "#UPLYNK-SEGMENT")
"""Tags of playlists from which yt-dlp leaves out advertisements."""
Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExpectedDuration:
    """The duration that a playlist or manifest announces for a stream."""

    seconds: float
    tolerated: float
    """seconds by which a file may be shorter"""
    code: ErrorCode = ErrorCode.ORIGIN_ERROR
    """the error where it is shorter still: the origin's fault, or a stream whose parts can't be joined here"""
    of_each: bool = True
    """whether each stream has this duration, or only the longest one"""

    def missed_by(self, seconds: float) -> bool:
        """Whether a stream of this duration is too short."""
        return seconds < self.seconds - self.tolerated


def from_hls_playlist(text: str) -> ExpectedDuration | None:
    """The duration of an HLS media playlist; None where the playlist lists more than yt-dlp fetches.

    Each segment's duration is rounded, in old playlists to whole seconds (RFC 8216 §4.3.2.1). Where all are equal, they
    are the target duration, and the last segment is shorter.
    """
    if any(mark in text for mark in _ADVERTISING):
        return None
    durations_by_digits = _EXTINF.findall(text)
    rounding = sum(0.5 * 10.0 ** -min(len(digits), 6) for _, digits in durations_by_digits)
    if len(set(durations_by_digits)) == 1 and not durations_by_digits[0][1]:
        rounding += float(durations_by_digits[0][0])
    joined = "#EXT-X-DISCONTINUITY\n" in text.replace("\r", "")
    code = ErrorCode.UNSUPPORTED_STREAM if joined else ErrorCode.ORIGIN_ERROR
    return _expect(durations.playlist_duration(text), rounding, code)


def from_fragments(stream: Info) -> ExpectedDuration | None:
    """The duration of a stream whose fragments the extraction has listed.

    Where all have the same duration, the last one is shorter (ISO/IEC 23009-1 §5.3.9.2.1).
    """
    fragments = stream.get("fragments")
    if not isinstance(fragments, Sequence) or not fragments:
        return None
    last, before = (each.get("duration") for each in (fragments[-1], fragments[max(len(fragments) - 2, 0)]))
    return _expect(durations.fragments_duration(stream), last if last and before in {None, last} else 0)


def from_dash_manifest(mpd: ET.Element) -> ExpectedDuration | None:
    """The total duration of a DASH manifest, which is the sum of its periods.

    With one period, a stream may be shorter: audio may end early. With several, a shorter one lacks some periods.
    """
    seconds = parse_duration(mpd.get("mediaPresentationDuration"))
    if not seconds:
        return None
    several = len(mpd.findall("{*}Period")) > 1
    tolerated = max(MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE * seconds)
    code = ErrorCode.UNSUPPORTED_STREAM if several else ErrorCode.ORIGIN_ERROR
    return ExpectedDuration(seconds, tolerated, code, of_each=several)


def from_whole_manifest(listed: ExpectedDuration | None, stream: Info) -> ExpectedDuration | None:
    """The manifest's total duration, where the stream has no list of its own or the manifest has several periods.

    The manifest of a broadcast that has ended may announce all of it, and list only the last part.
    """
    whole: ExpectedDuration | None = stream.get(WHOLE_MANIFEST)
    return None if listed and whole and whole.code is ErrorCode.ORIGIN_ERROR else whole


def _expect(seconds: float, rounding: float, code: ErrorCode = ErrorCode.ORIGIN_ERROR) -> ExpectedDuration | None:
    if not seconds:
        return None
    return ExpectedDuration(seconds, TOLERATED_SECONDS + TOLERATED_SHARE * seconds + rounding, code)
