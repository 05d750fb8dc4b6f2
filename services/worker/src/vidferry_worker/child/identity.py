"""Which video yt-dlp found."""

from typing import Any
from urllib.parse import urlsplit

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
