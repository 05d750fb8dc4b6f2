"""What has come as a stream, or would: whether it is one, and all of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import content_sniff, document_sniff, truncation
from vidferry_worker.child.growing_file import BODIES
from vidferry_worker.children.text_content import HEAD

MAX_HEADS = 64


class Heads:
    """How the bodies begin of which extraction has read a part.

    It does so to see whether there is a page, where a server's Content-Type names no media.
    """

    def __init__(self) -> None:
        self._of: dict[str, bytes] = {}

    def noting(self, address: str, read: Callable[..., bytes]) -> Callable[..., bytes]:
        """A response's read() that keeps what is read first."""

        def read_noting(amount: int | None = None) -> bytes:
            piece = read(amount)
            if amount is not None and address not in self._of and len(self._of) < MAX_HEADS:
                self._of[address] = piece[:HEAD]
            return piece

        return read_noting

    def is_guess(self, info: dict[str, Any]) -> bool:
        """Whether yt-dlp has taken a file for a video for no other reason than that it is no page.

        JobFailure where its beginning says that it is none.
        """
        head = self._of.get(str(info.get("url"))) if info.get("direct") else None
        if head and document_sniff.is_no_video(head):
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the address leads to a file that starts with {head[:16]!r}")
        return bool(head)


def check(path: Path, info: dict[str, Any]) -> None:
    """JobFailure where a stream that has come is none, or not all of one."""
    if content_sniff.is_disguised(path):
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, "the stream is a playlist, or another text")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if info.get("direct") and document_sniff.is_document(head):
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"a file that starts with {head[:16]!r}")
    if info.get("protocol") in BODIES and truncation.is_cut(path):
        raise JobFailure(ErrorCode.ORIGIN_ERROR, "the file is cut: its index tells of more than its server sends")
