"""HLS variants whose sound is a list of its own, which yt-dlp takes for complete where no codecs are named.

RFC 8216 has CODECS (§4.3.4.2) be there; many a list lacks it. What a variant's AUDIO group has an address for takes the
place of the sound in it (§4.3.4.2.1), so a variant that has some loses nothing.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import parse_m3u8_attributes

_MEDIA, _VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"


def without_sound(playlist: str) -> Iterator[str]:
    """The addresses, as they stand there, of a master playlist's variants that name no codecs and have sound apart."""
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
    """From here on yt-dlp takes such variants for pictures alone."""
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def told(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **options: Any) -> Any:
        formats, subtitles = parse(extractor, m3u8_doc, m3u8_url, *args, **options)
        silent = {urljoin(m3u8_url or "", address) for address in without_sound(m3u8_doc)}
        for each in formats:
            if each.get("url") in silent and each.get("vcodec") != "none":
                each["acodec"] = "none"
        return formats, subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = told  # noqa: SLF001
