"""Which video yt-dlp found, and by what the origin tells whether it is still the same."""

from typing import Any
from urllib.parse import urlsplit

from yt_dlp.networking.common import HEADRequest
from yt_dlp.networking.exceptions import RequestError

from vidferry_worker.child.warm import SiteDownloader

# Extractors whose id is a base name, which two addresses of one site may share: those that call _generic_id
# (yt_dlp/extractor/common.py; a test compares), and QuotedHTML, which takes its ids from the page around it.
BY_ADDRESS = frozenset(
    {
        "CamtasiaEmbed",
        "Generic",
        "HTML5MediaEmbed",
        "QuotedHTML",
        "Rtmp",
        "SenateGov",
        "WordpressMiniAudioPlayerEmbed",
        "WordpressPlaylistEmbed",
    }
)
VALIDATORS = ("ETag", "Last-Modified", "Content-Length")


def identify(info: dict[str, Any]) -> dict[str, Any]:
    """The fields of contract.identity.Identity for what was extracted."""
    extractor = str(info.get("extractor_key") or info.get("extractor") or "Generic")
    address = str(info.get("webpage_url") or info.get("original_url") or info["url"]).partition("#")[0]
    by_address = extractor in BY_ADDRESS
    return {
        "extractor": extractor.lower(),
        "domain": (urlsplit(address).hostname or "unknown").removeprefix("www."),
        "video_id": address if by_address else str(info["id"]),
        "by_address": by_address,
    }


def evidence(ydl: SiteDownloader, streams: list[dict[str, Any]]) -> list[dict[str, str]] | None:
    """For each stream, the validators (RFC 9110 §8.8) that its origin sent; None where one sent nothing."""
    found = []
    for stream in streams:
        headers = _headers(ydl, stream)
        validators = {name.lower(): headers[name] for name in VALIDATORS if headers and headers.get(name)}
        if not validators:
            return None
        found.append({name: value[:200] for name, value in validators.items()})
    return found


def _headers(ydl: SiteDownloader, stream: dict[str, Any]) -> Any:
    """Those seen while extracting; else those of one HEAD."""
    for address in (stream["url"], stream.get("manifest_url")):
        if address in ydl.headers_of:
            return ydl.headers_of[address]
    try:
        with ydl.urlopen(HEADRequest(stream["url"], headers=stream.get("http_headers") or {})) as response:
            return response.headers
    except RequestError:
        return None
