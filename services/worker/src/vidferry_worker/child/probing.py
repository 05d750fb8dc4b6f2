"""What ffprobe reports on a downloaded file: this decides what the file is."""

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
"""Demuxers that read the duration from the header. Others take it from the last timestamp, or from the size."""


@dataclass(frozen=True, slots=True)
class ProbedStream:
    """A video or audio stream of a file."""

    kind: str
    """`video` or `audio`"""
    codec: str
    duration: float | None
    """seconds, None where the file doesn't have it"""


@dataclass(frozen=True, slots=True)
class ProbedFile:
    """A media file, as ffprobe describes it."""

    container: str
    """ffmpeg's demuxer, by the first of its names"""
    brand: str
    """the major brand of MP4 and its relatives (ISO/IEC 14496-12 §4.3), else empty"""
    duration: float | None
    """seconds, None where the file doesn't have it"""
    streams: tuple[ProbedStream, ...]
    """without cover images"""

    @property
    def has_video(self) -> bool:
        return any(stream.kind == "video" for stream in self.streams)

    @property
    def tells_length_first(self) -> bool:
        """Whether the duration is known, and final, before the file is complete."""
        return self.container in _LENGTH_FIRST

    def describe(self, file: str) -> FileDescription:
        """The description for the worker of the file with that name."""
        codecs = sorted({stream.codec for stream in self.streams})[:MAX_CODECS]
        return FileDescription(file, self.container, self.brand, codecs, self.has_video, number_or_none(self.duration))


def probe_file(ydl: YoutubeDL, path: Path) -> ProbedFile:
    """What ffprobe finds in a file; JobFailure where it is not media. content_sniff.py has to check the file first."""
    try:
        facts = FFmpegPostProcessor(ydl).get_metadata_object(str(path))
    except (PostProcessingError, ValueError) as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the file can't be read as media: {error}") from error
    return parse_probe_report(facts)


def parse_probe_report(facts: Mapping[str, Any]) -> ProbedFile:
    """Reads ffprobe's report, with its `format` and `streams`; JobFailure where there is neither video nor audio."""
    streams = tuple(
        ProbedStream(str(one["codec_type"]), str(one.get("codec_name", ""))[:40], _stream_duration(one))
        for one in facts.get("streams", [])
        if one.get("codec_type") in {"video", "audio"} and not one.get("disposition", {}).get("attached_pic")
    )
    if not streams:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the file holds neither picture nor sound")
    container_report = facts.get("format", {})
    container = str(container_report.get("format_name", "")).partition(",")[0][:40]
    brand = str(container_report.get("tags", {}).get("major_brand", ""))[:4]
    return ProbedFile(container, brand, _parse_seconds(container_report.get("duration")), streams)


def _stream_duration(stream: Mapping[str, Any]) -> float | None:
    """A stream's duration; Matroska has it in a tag, in nanoseconds."""
    tag = parse_duration(str(stream.get("tags", {}).get("DURATION", ""))[:40])
    return _parse_seconds(stream.get("duration", tag))


def _parse_seconds(value: object) -> float | None:
    seconds: float | None = float_or_none(value)
    return seconds
