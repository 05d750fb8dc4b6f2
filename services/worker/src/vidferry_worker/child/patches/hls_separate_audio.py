"""Corrects which HLS variants have audio, in the formats that yt-dlp makes of a multivariant playlist.

By itself, yt-dlp takes a variant without CODECS for video with audio, even if its audio is a rendition of its own. With
the patch, it takes such a variant for video only. That loses nothing: renditions with a URI replace the audio of a
variant (RFC 8216 §4.3.4.2.1).
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import parse_m3u8_attributes

_MEDIA, _VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"


def find_video_only_variants(playlist: str) -> Iterator[str]:
    """The URIs, as in the playlist, of the variants without CODECS whose audio is a rendition of its own."""
    lines = [line.strip() for line in playlist.splitlines()]
    media = [parse_m3u8_attributes(line) for line in lines if line.startswith(_MEDIA)]
    groups = {each.get("GROUP-ID") for each in media if each.get("TYPE") == "AUDIO" and each.get("URI")}
    apart = False
    for line in lines:
        if line.startswith(_VARIANT):
            variant = parse_m3u8_attributes(line)
            apart = variant.get("AUDIO") in groups and not variant.get("CODECS")
        elif apart and line and not line.startswith("#"):
            yield line
            apart = False


def install() -> None:
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def parse_corrected(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **options: Any) -> Any:
        formats, subtitles = parse(extractor, m3u8_doc, m3u8_url, *args, **options)
        silent = {urljoin(m3u8_url or "", url) for url in find_video_only_variants(m3u8_doc)}
        for each in formats:
            if each.get("url") in silent and each.get("vcodec") != "none":
                each["acodec"] = "none"
        return formats, subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = parse_corrected  # noqa: SLF001
