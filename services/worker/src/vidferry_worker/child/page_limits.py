"""How many videos, formats and elements are looked at: more than a person would look through is given up."""

import re
from itertools import islice
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure

MOST = 1000
"""players on a page; embeds of one site on it; formats of a video, of which large sites offer some hundred"""
MOST_ELEMENTS = 1_000_000
"""tags of an XML document, values of a JSON document: in Python's objects each takes up to some 400 bytes"""
_PLAYERS = re.compile(r"<(?:(?:amp|dl8(?:-live)?)-)?(?:video|audio|source)\b")


def check_players(webpage: str) -> None:
    """JobFailure where a page has too many players and sources."""
    check_page(sum(1 for _ in islice(_PLAYERS.finditer(webpage), MOST + 1)))


def check_xml(text: str | bytes) -> None:
    """JobFailure where a document would take too much memory as elements."""
    _check_elements(_count(text, "<"))


def check_json(text: Any) -> None:
    """JobFailure where a document would take too much memory as objects; what is no text is none."""
    if isinstance(text, str | bytes):
        _check_elements(sum(_count(text, mark) for mark in ",[{"))


def _count(text: str | bytes, mark: str) -> int:
    return text.count(mark) if isinstance(text, str) else text.count(mark.encode())


def _check_elements(count: int) -> None:
    if count > MOST_ELEMENTS:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a document of more than {MOST_ELEMENTS} elements")


def check_page(count: int) -> None:
    """JobFailure where that is too many videos."""
    if count > MOST:
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the page has more than {MOST} videos")


def check_formats(video: dict[str, Any]) -> None:
    """JobFailure where a video has too many: yt-dlp compares them all."""
    if len(video.get("formats") or ()) > MOST:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the video has more than {MOST} formats")
