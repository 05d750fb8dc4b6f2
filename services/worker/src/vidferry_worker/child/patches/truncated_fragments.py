"""Checks MP4 fragments before yt-dlp's FragmentFD appends them.

By itself, yt-dlp appends a fragment that is truncated on the server. Its box of samples then extends over the beginning
of the next fragment, a gap that goes unnoticed (yt-dlp#5728). With the patch, the download fails with `origin_error`.
"""

from typing import Any

from yt_dlp.downloader.fragment import FragmentFD

from vidferry_common.contract.errors import ErrorCode, JobFailure

MAX_BOXES = 10_000


def install() -> None:
    """Installs the patch, for each decrypted fragment."""
    append = FragmentFD._append_fragment  # noqa: SLF001 - it has no hook for what came

    def append_whole(downloader: Any, ctx: dict[str, Any], content: bytes) -> Any:
        if is_truncated(content):
            raise JobFailure(ErrorCode.ORIGIN_ERROR, f"fragment {ctx.get('fragment_index')} is cut")
        return append(downloader, ctx, content)

    FragmentFD._append_fragment = append_whole  # noqa: SLF001


def is_truncated(content: bytes) -> bool:
    """Whether the last box (ISO/IEC 14496-12 §4.2) has samples and extends beyond the end."""
    start = 0
    for _ in range(MAX_BOXES):
        head = content[start : start + 16]
        length, kind = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:])
        if length < 8 or not kind.isalnum():  # noqa: PLR2004 - the header's length: no box, or one to the end
            return False
        start += length
        if start >= len(content):
            return start > len(content) and kind == b"mdat"
    return False
