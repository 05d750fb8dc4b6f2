"""Changes the fragments of yt-dlp's DashSegmentsFD (ISO/IEC 23009-1 §5.3.9.3, §5.3.2.1).

By itself, yt-dlp drops a fragment's `byte_range`, though FragmentFD supports it for HLS, and never changes timestamps.
With the patch, byte ranges are requested and checked, and fragments are shifted to the start of their period.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.downloader.fragment import FragmentFD

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.dash import mp4
from vidferry_worker.child.dash.elements import UnsupportedTrackError


def install() -> None:
    named = DashSegmentsFD._get_fragments  # noqa: SLF001

    def named_with_ranges(downloader: Any, fmt: dict[str, Any], ctx: Any, extra_query: Any) -> Iterator[Any]:
        for fragment in named(downloader, fmt, ctx, extra_query):
            span = _manifest_fragment(fmt, fragment["index"]).get("byte_range")
            yield fragment | ({"byte_range": span} if span else {})

    def fetch(downloader: Any, ctx: Any, fragments: Any, info: dict[str, Any], **how: Any) -> Any:
        def checked(content: bytes, frag_index: int) -> bytes:
            fragment = _manifest_fragment(info, frag_index - 1)
            check_size(content, fragment)
            return _delay_content(content, fragment["later"]) if fragment.get("later") else content

        return FragmentFD.download_and_append_fragments(downloader, ctx, fragments, info, pack_func=checked, **how)

    DashSegmentsFD._get_fragments = named_with_ranges  # noqa: SLF001
    DashSegmentsFD.download_and_append_fragments = fetch


def _manifest_fragment(info: dict[str, Any], index: int) -> dict[str, Any]:
    """The fragment of our manifest; empty where an extractor of live streams passes a generator."""
    fragments = info.get("fragments")
    found: dict[str, Any] = fragments[index] if isinstance(fragments, Sequence) else {}
    return found


def _delay_content(content: bytes, ticks: int) -> bytes:
    try:
        return mp4.delay_fragment(content, ticks)
    except UnsupportedTrackError as error:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, str(error)) from error


def check_size(content: bytes, fragment: dict[str, Any]) -> None:
    """JobFailure where a site ignores the byte range of a request."""
    span = fragment.get("byte_range")
    if span and len(content) != span["end"] - span["start"]:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"{len(content)} bytes came of {span['end'] - span['start']}")
