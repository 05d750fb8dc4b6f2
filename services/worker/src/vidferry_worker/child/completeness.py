"""Whether all that was announced of a video has arrived: what its lists say, against what ffprobe finds in the file.

Each stream is compared with its own list, and only less counts. What a site tells of the whole is no list, and often
untrue. Files that tell no length in their beginning are not compared: ffprobe guesses it from their size, or from the
last of time stamps that begin anew.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET  # the type alone: yt-dlp has parsed it

from yt_dlp.downloader.hls import HlsFD
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import parse_duration

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import lengths
from vidferry_worker.child.probing import Probed

TOLERATED_SECONDS, TOLERATED_SHARE = 0.5, 0.02
"""A file may last so much less than its list says: sound has a lead-in, and encoders drop frames."""
MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE = 2.0, 0.1
"""the same, of what a DASH manifest says of the whole"""
SOUND_TOLERATED_SHARE = 0.1
"""So much earlier than its picture sound may end, where both are one stream of which only the sound is kept."""
_COMPARED = frozenset({"mov", "matroska", "ogg", "flac", "wav"})
_EXTINF = re.compile(r"^\s*#EXTINF:\s*\d+(?:\.(\d*))?", re.MULTILINE)
_ADVERTISING = ("#ANVATO-SEGMENT-INFO", "#UPLYNK-SEGMENT")
"""Lists of which yt-dlp leaves out what it knows for advertising."""
_PRESENTATION = "_presentation"
"""a field of ours in a format of a DASH manifest"""
Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Announced:
    """What a list says of a stream."""

    seconds: float
    tolerated: float
    """seconds that it may lack"""
    code: ErrorCode = ErrorCode.ORIGIN_ERROR
    """of the failure where it lacks more: the origin's, or ours, who can't join the parts of all streams"""

    def missed_by(self, seconds: float) -> bool:
        """Whether a stream that lasts so long falls short of it."""
        return seconds < self.seconds - self.tolerated


@dataclass(slots=True)
class Announcements:
    """What the lists of a download's streams say; HLS tells it only when the stream is fetched."""

    _of: dict[str, Announced] = field(default_factory=dict)

    def listen(self) -> None:
        """From here on notes what HLS media playlists say."""
        can_download = HlsFD.can_download

        def noted(manifest: str, info: Info, *args: Any, **options: Any) -> Any:
            if announced := of_playlist(manifest):
                self._of[str(info.get("format_id"))] = announced
            return can_download(manifest, info, *args, **options)

        HlsFD.can_download = staticmethod(noted)

    def check(self, probed: Probed, streams: Sequence[Info], *, made_mp3: bool = False) -> None:
        """JobFailure where the file lacks one of the chosen streams, or a part of it.

        made_mp3 says that ffmpeg has written an MP3, which then tells its length.
        """
        compared = probed.container in _COMPARED or (made_mp3 and probed.container == "mp3")
        for stream in streams:
            kind = kind_of(stream)
            if len(streams) > 1 and kind and not any(one.kind == kind for one in probed.streams):
                raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the {kind} that was chosen is not in the file")
            seconds = duration_of(probed, kind) if compared else None
            if seconds is None:
                continue
            if kind is None and not probed.has_video:
                seconds /= 1 - SOUND_TOLERATED_SHARE
            listed = self._of.get(str(stream.get("format_id"))) or of_fragments(stream)
            for announced in (listed, stream.get(_PRESENTATION)):
                if announced and announced.missed_by(seconds):
                    raise JobFailure(announced.code, f"of {announced.seconds} s only {seconds} arrived")


def install() -> None:
    """Has each format of a DASH manifest carry how long the whole presentation is (ISO/IEC 23009-1 §5.3.1.2)."""
    parse = InfoExtractor._parse_mpd_periods  # noqa: SLF001

    def noted(extractor: Any, mpd_doc: Any, *args: Any, **options: Any) -> Iterator[Any]:
        announced = of_presentation(mpd_doc)
        for period in parse(extractor, mpd_doc, *args, **options):
            for each in period.get("formats", ()):
                each[_PRESENTATION] = announced
            yield period

    InfoExtractor._parse_mpd_periods = noted  # noqa: SLF001


def kind_of(stream: Info) -> str | None:
    """`video` or `audio` of a stream that is that alone, None of others."""
    has = {name for name, codec in (("video", "vcodec"), ("audio", "acodec")) if stream.get(codec) != "none"}
    return has.pop() if len(has) == 1 else None


def duration_of(probed: Probed, kind: str | None) -> float | None:
    """Seconds of a stream in the file, of the longest one where any will do."""
    told = [one.duration for one in probed.streams if one.duration is not None and kind in {None, one.kind}]
    return max(told, default=probed.duration)


def lacks_sound(probed: Probed, streams: Sequence[Info], formats: Sequence[Info]) -> bool:
    """Whether a DASH stream that tells no codecs was taken for complete, though its manifest has sound apart."""
    untold = len(streams) == 1 and not streams[0].get("acodec") and _is_dash(streams[0], "video")
    silent = all(one.kind == "video" for one in probed.streams)
    return untold and silent and any(_is_dash(each, "audio") for each in formats)


def _is_dash(stream: Info, kind: str) -> bool:
    return str(stream.get("format_note")).startswith(f"DASH {kind}")


def of_playlist(text: str) -> Announced | None:
    """Of an HLS media playlist; None where it tells of more than is fetched.

    Its lengths are rounded, in old ones to whole seconds (RFC 8216 §4.3.2.1), each for itself.
    """
    if any(mark in text for mark in _ADVERTISING):
        return None
    rounding = sum(0.5 * 10.0 ** -min(len(digits), 6) for digits in _EXTINF.findall(text))
    joined = "#EXT-X-DISCONTINUITY\n" in text.replace("\r", "")
    code = ErrorCode.UNSUPPORTED_STREAM if joined else ErrorCode.ORIGIN_ERROR
    return _announced(lengths.of_playlist(text), rounding, code)


def of_fragments(stream: Info) -> Announced | None:
    """Of a stream whose fragments extraction has listed.

    Where all are told to be equally long, the last one is shorter (ISO/IEC 23009-1 §5.3.9.2.1).
    """
    fragments = stream.get("fragments")
    if not isinstance(fragments, Sequence) or not fragments:
        return None
    last, before = (each.get("duration") for each in (fragments[-1], fragments[max(len(fragments) - 2, 0)]))
    return _announced(lengths.of_fragments(stream), last if last and before in {None, last} else 0)


def of_presentation(mpd: ET.Element) -> Announced | None:
    """Of each stream of a DASH manifest: what it says of the whole, which is the sum of its periods."""
    seconds = parse_duration(mpd.get("mediaPresentationDuration"))
    if not seconds:
        return None
    several = len(mpd.findall("{*}Period")) > 1
    tolerated = max(MANIFEST_TOLERATED_SECONDS, MANIFEST_TOLERATED_SHARE * seconds)
    return Announced(seconds, tolerated, ErrorCode.UNSUPPORTED_STREAM if several else ErrorCode.ORIGIN_ERROR)


def _announced(seconds: float, rounding: float, code: ErrorCode = ErrorCode.ORIGIN_ERROR) -> Announced | None:
    if not seconds:
        return None
    return Announced(seconds, TOLERATED_SECONDS + TOLERATED_SHARE * seconds + rounding, code)
