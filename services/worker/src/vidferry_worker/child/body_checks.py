"""Checks that a response body is media, and that a downloaded body is complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import content_sniff, document_sniff, truncation
from vidferry_worker.child.growing_file import SINGLE_BODY_PROTOCOLS
from vidferry_worker.children.text_content import HEAD

MAX_BODY_STARTS = 64


class BodyStarts:
    """The first bytes of the bodies that the extraction has read in part.

    yt-dlp reads a part to see whether it is a page, where the Content-Type is not one of media.
    """

    def __init__(self) -> None:
        self._of: dict[str, bytes] = {}

    def record_start(self, url: str, read: Callable[..., bytes]) -> Callable[..., bytes]:
        """Wraps a response's read() so that the first bytes are kept."""

        def read_noting(amount: int | None = None) -> bytes:
            piece = read(amount)
            if amount is not None and url not in self._of and len(self._of) < MAX_BODY_STARTS:
                self._of[url] = piece[:HEAD]
            return piece

        return read_noting

    def is_guessed_video(self, info: dict[str, Any]) -> bool:
        """Whether yt-dlp takes a file for a video only because it is not a page.

        JobFailure where its first bytes show that it is not a video.
        """
        head = self._of.get(str(info.get("url"))) if info.get("direct") else None
        if head and document_sniff.is_not_video(head):
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the address leads to a file that starts with {head[:16]!r}")
        return bool(head)


def check_body(path: Path, info: dict[str, Any]) -> None:
    """JobFailure where a downloaded stream is not media, or incomplete."""
    if content_sniff.is_text_file(path):
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the stream is a playlist, or another text")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if info.get("direct") and document_sniff.is_document(head):
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"a file that starts with {head[:16]!r}")
    if info.get("protocol") in SINGLE_BODY_PROTOCOLS and truncation.is_truncated(path):
        raise JobFailure(ErrorCode.ORIGIN_ERROR, "the file is cut: its index tells of more than its server sends")
