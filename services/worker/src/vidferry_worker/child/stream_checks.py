"""Checks the streams that yt-dlp has chosen, before anything of them is downloaded."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child import durations, request_limits
from vidferry_worker.child.dash import period_joining

Streams = Sequence[dict[str, Any]]
NATIVE_PROTOCOLS = frozenset({"http", "https", "m3u8_native", "http_dash_segments", "http_dash_segments_generator"})
"""protocols that yt-dlp implements itself; others need ffmpeg, which has no network"""


def check_streams(ydl: Any, info: dict[str, Any], streams: Streams, *, max_duration: float, max_bytes: float) -> None:
    """JobFailure where the chosen streams can't or may not be downloaded."""
    _check_availability(info, streams)
    for stream in streams:
        period_joining.resolve_fragments(ydl, stream)
    _check_protocols(streams)
    if max(info.get("duration") or 0, *map(durations.fragments_duration, streams)) > max_duration:
        raise JobFailure(ErrorCode.TOO_LONG)
    if sum(stream.get("filesize") or 0 for stream in streams) > max_bytes:
        raise JobFailure(ErrorCode.TOO_LARGE)


def _check_availability(info: dict[str, Any], streams: Streams) -> None:
    if info.get("live_status") == "is_upcoming":
        raise JobFailure(ErrorCode.NOT_YET_AVAILABLE)
    if info.get("is_live") or info.get("live_status") == "is_live":
        raise JobFailure(ErrorCode.LIVE)
    if any(stream.get("has_drm") for stream in streams):
        raise JobFailure(ErrorCode.DRM)
    unfit = next((stream["unfit"] for stream in streams if stream.get("unfit")), None)
    if unfit:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"a track of the manifest: {unfit}")


def _check_protocols(streams: Streams) -> None:
    protocols = {str(stream.get("protocol")) for stream in streams} - NATIVE_PROTOCOLS
    if protocols:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"protocol {', '.join(sorted(protocols))}")
    schemes = {urlsplit(str(stream.get("url"))).scheme.lower() for stream in streams} - request_limits.SCHEMES
    if schemes:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"scheme {', '.join(sorted(schemes))}")
