"""DASH segments that are bytes of a file (SegmentURL@mediaRange, Initialization@range; ISO/IEC 23009-1 §5.3.9.3).

By itself yt-dlp's DASH downloader drops a fragment's `byte_range`, which its FragmentFD, written for HLS, asks for.
"""

from collections.abc import Iterator
from typing import Any

from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.downloader.fragment import FragmentFD

from vidferry_common.contract.errors import ErrorCode, JobFailure


def install() -> None:
    named = DashSegmentsFD._get_fragments  # noqa: SLF001

    def named_with_ranges(downloader: Any, fmt: dict[str, Any], ctx: Any, extra_query: Any) -> Iterator[Any]:
        for fragment in named(downloader, fmt, ctx, extra_query):
            span = fmt["fragments"][fragment["index"]].get("byte_range")
            yield fragment | ({"byte_range": span} if span else {})

    def fetch(downloader: Any, ctx: Any, fragments: Any, info: dict[str, Any], **how: Any) -> Any:
        def checked(content: bytes, frag_index: int) -> bytes:
            check_size(content, info["fragments"][frag_index - 1])
            return content

        return FragmentFD.download_and_append_fragments(downloader, ctx, fragments, info, pack_func=checked, **how)

    DashSegmentsFD._get_fragments = named_with_ranges  # noqa: SLF001
    DashSegmentsFD.download_and_append_fragments = fetch


def check_size(content: bytes, fragment: dict[str, Any]) -> None:
    """JobFailure where a site that was asked for bytes of a file has sent others: some know no ranges."""
    span = fragment.get("byte_range")
    if span and len(content) != span["end"] - span["start"]:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"{len(content)} bytes came of {span['end'] - span['start']}")
