"""Digests the segments that a playlist or manifest lists, and samples some of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urljoin

from yt_dlp.networking.common import Request

from vidferry_worker.child.validators import digest_lines, without_signature

SAMPLE_SIZE = 8
"""segments of a stream that are sampled; all, if there are fewer"""
MAX_FRAGMENTS = 100_000
"""fragments of a manifest: a day in segments of a second"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SegmentListing:
    """The segments of a stream, by a digest of the list and a sample of them."""

    digest: str
    sample: tuple[str, ...]
    """URLs of segments"""


def list_playlist_segments(url: str, text: str) -> SegmentListing | None:
    """The segments of an HLS media playlist; the digest includes all lines but comments (RFC 8216 §4.1)."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and (line[0] != "#" or line[:4] == "#EXT")]
    with suppress(ValueError):  # an invalid URL
        digest = digest_lines(line if line[0] == "#" else without_signature(line) for line in lines)
        sample = _sample_evenly([*_segment_uris(lines)])
        return SegmentListing(digest, tuple(normalize_url(urljoin(url, each)) for each in sample))
    return None


def list_fragments(stream: Mapping[str, Any]) -> SegmentListing | None:
    """The fragments that the extraction has listed (DASH); None where they are generated during the download."""
    fragments, base = stream.get("fragments"), str(stream.get("fragment_base_url") or "")
    if not isinstance(fragments, Sequence) or len(fragments) > MAX_FRAGMENTS:
        return None
    with suppress(ValueError, KeyError):
        segments = [
            (str(each.get("url") or urljoin(base, each["path"])), str(each.get("byte_range") or ""))
            for each in fragments
        ]
        digest = digest_lines(f"{without_signature(url)} {byte_range}" for url, byte_range in segments)
        return SegmentListing(digest, tuple(normalize_url(url) for url, _ in _sample_evenly(segments)))
    return None


def normalize_url(url: str) -> str:
    """The URL as yt-dlp requests it."""
    return str(Request(url).url)


def _segment_uris(lines: Iterable[str]) -> Iterator[str]:
    """The URIs of a playlist's segments, without missing ones (EXT-X-GAP)."""
    is_missing = False
    for line in lines:
        if not line.startswith("#") and not is_missing:
            yield line
        is_missing = line == "#EXT-X-GAP" or (is_missing and line.startswith("#"))


def _sample_evenly(segments: Sequence[T]) -> list[T]:
    """The first, the last, and some in between."""
    last = len(segments) - 1
    return [
        segments[at] for at in sorted({number * last // (SAMPLE_SIZE - 1) for number in range(SAMPLE_SIZE)}) if segments
    ]
