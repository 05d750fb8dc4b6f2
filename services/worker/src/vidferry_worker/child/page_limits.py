"""Limits on the videos, formats and elements of a page or document: one that exceeds them is given up."""

import re
from itertools import islice
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure

MAX_VIDEOS = 1000
"""players on a page; embeds of one site on it; formats of a video, of which large sites offer a few hundred"""
MAX_ELEMENTS = 1_000_000
"""tags of an XML document, values of a JSON document: each takes up to 400 bytes as a Python object"""
_PLAYERS = re.compile(r"<(?:(?:amp|dl8(?:-live)?)-)?(?:video|audio|source)\b")


def check_players(webpage: str) -> None:
    """JobFailure where a page has too many media elements."""
    check_video_count(sum(1 for _ in islice(_PLAYERS.finditer(webpage), MAX_VIDEOS + 1)))


def check_xml(text: str | bytes) -> None:
    """JobFailure where an XML document would take too much memory."""
    _check_elements(_count_mark(text, "<"))


def check_json(text: Any) -> None:
    """JobFailure where a JSON document would take too much memory; what is not text is ignored."""
    if isinstance(text, str | bytes):
        _check_elements(sum(_count_mark(text, mark) for mark in ",[{"))


def _count_mark(text: str | bytes, mark: str) -> int:
    return text.count(mark) if isinstance(text, str) else text.count(mark.encode())


def _check_elements(count: int) -> None:
    if count > MAX_ELEMENTS:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a document of more than {MAX_ELEMENTS} elements")


def check_video_count(count: int) -> None:
    """JobFailure where a page has so many videos that they are too many."""
    if count > MAX_VIDEOS:
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the page has more than {MAX_VIDEOS} videos")


def check_formats(video: dict[str, Any]) -> None:
    """JobFailure where a video has too many formats: yt-dlp compares all of them."""
    if len(video.get("formats") or ()) > MAX_VIDEOS:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the video has more than {MAX_VIDEOS} formats")
