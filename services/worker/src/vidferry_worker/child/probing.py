"""What ffprobe finds in a downloaded file: the last word on what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import PostProcessingError, float_or_none, parse_duration

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.protocol import MAX_CODECS, FileDescription, number_or_none

_LENGTH_FIRST = frozenset({"mov", "matroska"})
"""Demuxers that read a length where the file begins. Others take it from its last stamp, or from its size."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream with picture or sound."""

    kind: str
    """`video` or `audio`"""
    codec: str
    duration: float | None
    """seconds, None where the file tells none of the stream"""


@dataclass(frozen=True, slots=True)
class Probed:
    """A file with picture or sound in it."""

    container: str
    """ffmpeg's demuxer, by the first of its names"""
    brand: str
    """of MP4 and its relatives (ISO/IEC 14496-12 §4.3), empty where the file tells none"""
    duration: float | None
    """seconds, None where the file tells none"""
    streams: tuple[Stream, ...]
    """without pictures of covers"""

    @property
    def has_video(self) -> bool:
        return any(stream.kind == "video" for stream in self.streams)

    @property
    def tells_length_first(self) -> bool:
        """Whether the duration is the same while the file is not whole."""
        return self.container in _LENGTH_FIRST

    def description(self, file: str) -> FileDescription:
        """What the worker is told of the file of that name."""
        codecs = sorted({stream.codec for stream in self.streams})[:MAX_CODECS]
        return FileDescription(file, self.container, self.brand, codecs, self.has_video, number_or_none(self.duration))


def probe(ydl: YoutubeDL, path: Path) -> Probed:
    """JobFailure where it is no media. Of an unknown file, only after content_sniff.py has looked at it."""
    try:
        facts = FFmpegPostProcessor(ydl).get_metadata_object(str(path))
    except (PostProcessingError, ValueError) as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the file can't be read as media: {error}") from error
    return read(facts)


def read(facts: Mapping[str, Any]) -> Probed:
    """Takes ffprobe's report, its `format` and `streams`; JobFailure where neither picture nor sound is in it."""
    streams = tuple(
        Stream(str(one["codec_type"]), str(one.get("codec_name", ""))[:40], _duration(one))
        for one in facts.get("streams", [])
        if one.get("codec_type") in {"video", "audio"} and not one.get("disposition", {}).get("attached_pic")
    )
    if not streams:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the file holds neither picture nor sound")
    told = facts.get("format", {})
    container = str(told.get("format_name", "")).partition(",")[0][:40]
    brand = str(told.get("tags", {}).get("major_brand", ""))[:4]
    return Probed(container, brand, _number(told.get("duration")), streams)


def _duration(stream: Mapping[str, Any]) -> float | None:
    """Matroska has a stream's length in a tag, to nanoseconds."""
    tag = parse_duration(str(stream.get("tags", {}).get("DURATION", ""))[:40])
    return _number(stream.get("duration", tag))


def _number(told: object) -> float | None:
    seconds: float | None = float_or_none(told)
    return seconds
