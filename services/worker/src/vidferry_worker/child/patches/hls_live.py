"""Changes how yt-dlp's GenericIE decides whether an HLS stream is live.

By itself, yt-dlp takes every playlist without EXT-X-ENDLIST for a live one, and every one of less than a second. With
the patch, hls/live_status.py decides.
"""

from typing import Any

from yt_dlp.extractor.generic import GenericIE
from yt_dlp.utils import determine_protocol

from vidferry_worker.child.hls.durations import sum_seconds
from vidferry_worker.child.hls.live_status import has_ended
from vidferry_worker.child.hls.tags import EXTM3U, split_lines

_HEAD = 512
"""bytes that identify a playlist"""


def install() -> None:
    """Installs the patch. The options that the replaced function reads are never set here."""
    GenericIE._extra_manifest_info = _look_at_first_list  # noqa: SLF001


def _look_at_first_list(extractor: Any, info: dict[str, Any], _: str) -> None:
    """Sets whether the video is live, or else its duration, by the playlist of its first HLS format."""
    formats = extractor._downloader._get_formats(info)  # noqa: SLF001
    first = next((each for each in formats if determine_protocol(each) == "m3u8_native"), None)
    if first is None:
        return
    headers = first.get("http_headers") or info.get("http_headers") or {}
    response = extractor._request_webpage(  # noqa: SLF001
        first["url"], info.get("id"), "Checking m3u8 live status", errnote=False, fatal=False,
        headers={**headers, "Accept-Encoding": "identity"},
    )  # fmt: skip
    if response is False or not (head := response.read(_HEAD)).startswith(EXTM3U.encode()):
        return
    text = extractor._webpage_read_content(  # noqa: SLF001
        response, response.url, info.get("id"), prefix=head, fatal=False, errnote=False
    )
    lines = split_lines(text or "")
    if not has_ended(lines, response.headers):
        info["live_status"] = "is_live"
    info["duration"] = info.get("duration") or int(sum_seconds(lines)) or None
