"""What lists say of how long their streams are, and how much of that a file may lack."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET  # the type alone: yt-dlp has parsed it

from yt_dlp.utils import parse_duration

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child import durations

TOLERATED_SECONDS, TOLERATED_SHARE = 0.5, 0.02
"""A file may last so much less than its list says: sound has a lead-in, and encoders drop frames."""
MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE = 2.0, 0.1
"""the same, of what a DASH manifest says of the whole"""
PRESENTATION = "_presentation"
"""a field of ours in a format of a DASH manifest: what that says of the whole"""
_EXTINF = re.compile(r"^\s*#EXTINF:\s*(\d{1,9})(?:\.(\d*))?", re.MULTILINE)
_ADVERTISING = ("#ANVATO-SEGMENT-INFO", "#UPLYNK-SEGMENT")
"""Lists of which yt-dlp leaves out what it knows for advertising."""
Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Announced:
    """The length of a stream, as its list announces it."""

    seconds: float
    tolerated: float
    """seconds that it may lack"""
    code: ErrorCode = ErrorCode.ORIGIN_ERROR
    """of the failure where it lacks more: the origin's, or ours, who can't join the parts of all streams"""
    of_each: bool = True
    """whether each stream lasts so long, not the longest alone"""

    def missed_by(self, seconds: float) -> bool:
        """Whether a stream that lasts so long falls short of it."""
        return seconds < self.seconds - self.tolerated


def of_playlist(text: str) -> Announced | None:
    """Of an HLS media playlist; None where it tells of more than is fetched.

    Its lengths are rounded, in old ones to whole seconds (RFC 8216 §4.3.2.1), each for itself. Where those are all the
    same, it is the length at which segments are cut, and the last one is shorter.
    """
    if any(mark in text for mark in _ADVERTISING):
        return None
    told = _EXTINF.findall(text)
    rounding = sum(0.5 * 10.0 ** -min(len(digits), 6) for _, digits in told)
    if len(set(told)) == 1 and not told[0][1]:
        rounding += float(told[0][0])
    joined = "#EXT-X-DISCONTINUITY\n" in text.replace("\r", "")
    code = ErrorCode.UNSUPPORTED_STREAM if joined else ErrorCode.ORIGIN_ERROR
    return _announced(durations.of_playlist(text), rounding, code)


def of_fragments(stream: Info) -> Announced | None:
    """Of a stream whose fragments extraction has listed.

    Where all are told to be equally long, the last one is shorter (ISO/IEC 23009-1 §5.3.9.2.1).
    """
    fragments = stream.get("fragments")
    if not isinstance(fragments, Sequence) or not fragments:
        return None
    last, before = (each.get("duration") for each in (fragments[-1], fragments[max(len(fragments) - 2, 0)]))
    return _announced(durations.of_fragments(stream), last if last and before in {None, last} else 0)


def of_presentation(mpd: ET.Element) -> Announced | None:
    """What a DASH manifest says of the whole, which is the sum of its periods.

    Of one period a stream may be shorter, such as a sound that is silent at the end; of several, a shorter one lacks
    some of them.
    """
    seconds = parse_duration(mpd.get("mediaPresentationDuration"))
    if not seconds:
        return None
    several = len(mpd.findall("{*}Period")) > 1
    tolerated = max(MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE * seconds)
    code = ErrorCode.UNSUPPORTED_STREAM if several else ErrorCode.ORIGIN_ERROR
    return Announced(seconds, tolerated, code, of_each=several)


def beyond(listed: Announced | None, stream: Info) -> Announced | None:
    """What a stream's manifest says of the whole, where the stream's own list is none, or one of several periods.

    Of a broadcast that has ended, the manifest may tell how long it was, and list the last of it.
    """
    whole: Announced | None = stream.get(PRESENTATION)
    return None if listed and whole and whole.code is ErrorCode.ORIGIN_ERROR else whole


def _announced(seconds: float, rounding: float, code: ErrorCode = ErrorCode.ORIGIN_ERROR) -> Announced | None:
    if not seconds:
        return None
    return Announced(seconds, TOLERATED_SECONDS + TOLERATED_SHARE * seconds + rounding, code)
