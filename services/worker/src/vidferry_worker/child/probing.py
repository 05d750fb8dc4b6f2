"""What ffprobe finds in a downloaded file: the last word on what it is."""

from dataclasses import dataclass
from pathlib import Path

from yt_dlp import YoutubeDL
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import PostProcessingError

from vidferry_common.contract.errors import ErrorCode, JobFailure

_LENGTH_FIRST = frozenset({"mov", "matroska"})
"""Demuxers that read a length where the file begins. Others take it from its last stamp, or from its size."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A file with picture or sound in it."""

    duration: float | None
    """seconds, None where the file tells none"""
    has_video: bool
    """A picture of the cover is none."""
    tells_length_first: bool
    """whether the duration is the same while the file is not whole"""


def probe(ydl: YoutubeDL, path: Path) -> Probed:
    """JobFailure where it is no media. Of an unknown file, only after disguise.py has looked at it."""
    try:
        facts = FFmpegPostProcessor(ydl).get_metadata_object(str(path))
    except (PostProcessingError, ValueError) as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the file can't be read as media: {error}") from error
    kinds = {
        str(stream.get("codec_type"))
        for stream in facts.get("streams", [])
        if not stream.get("disposition", {}).get("attached_pic")
    }
    if not kinds & {"video", "audio"}:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the file holds neither picture nor sound")
    told = facts.get("format", {})
    names = set(str(told.get("format_name")).split(","))
    duration = told.get("duration")
    return Probed(float(duration) if duration else None, "video" in kinds, bool(names & _LENGTH_FIRST))
