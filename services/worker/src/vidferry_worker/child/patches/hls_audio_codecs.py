"""Adds the codec of HLS audio renditions to the formats that yt-dlp makes of a multivariant playlist.

By itself, yt-dlp leaves the codec unknown, since EXT-X-MEDIA has no CODECS attribute, so none can be selected. With the
patch, it comes from the variants that refer to the rendition's group: their CODECS name each sample format "present in
one or more Renditions specified by the Variant Stream" (RFC 8216 §4.3.4.2), so a codec that all of them name is the
group's.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import parse_m3u8_attributes

_MEDIA, _VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"
AUDIO_CODECS = frozenset(
    {"mp4a", "aac", "mp3", "ac-3", "ec-3", "ac-4", "opus", "vorbis", "flac", "alac", "dtsc", "dtse", "dtsh", "dtsl"}
)
"""RFC 6381's names, in lower case"""

Codecs = dict[str, str]
"""by name without profile, such as {"mp4a": "mp4a.40.2"}"""


def find_audio_codecs(playlist: str) -> dict[str, str]:
    """The codec of each audio rendition, by its URI as in the playlist; without unknown ones."""
    named = _codecs_by_group(playlist)
    found: dict[str, set[str]] = {}
    for media in _iterate_attributes(playlist, _MEDIA):
        if media.get("TYPE") == "AUDIO" and media.get("URI"):
            codecs = named.get(str(media.get("GROUP-ID")), {})
            found.setdefault(str(media["URI"]), set()).add(*codecs.values() if len(codecs) == 1 else [""])
    return {url: min(codecs) for url, codecs in found.items() if len(codecs) == 1 and "" not in codecs}


def _codecs_by_group(playlist: str) -> dict[str, Codecs]:
    """The audio codecs of each group: those that all its variants with CODECS name."""
    named: dict[str, Codecs] = {}
    for variant in _iterate_attributes(playlist, _VARIANT):
        group, codecs = variant.get("AUDIO"), _audio_codecs(str(variant.get("CODECS") or ""))
        if group and codecs:
            before = named.get(group, codecs)
            named[group] = {name: codec for name, codec in before.items() if name in codecs}
    return named


def _audio_codecs(codecs: str) -> Codecs:
    named: Codecs = {}
    for codec in codecs.split(","):
        name, dot, profile = codec.strip().partition(".")
        if name.lower() in AUDIO_CODECS:
            named.setdefault(name.lower(), name.lower() + dot + profile)
    return named


def _iterate_attributes(playlist: str, tag: str) -> Iterator[dict[str, str]]:
    return (parse_m3u8_attributes(line) for line in map(str.strip, playlist.splitlines()) if line.startswith(tag))


def install() -> None:
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def parse_with_codecs(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **how: Any) -> Any:
        formats, subtitles = parse(extractor, m3u8_doc, m3u8_url, *args, **how)
        codecs_by_uri = find_audio_codecs(m3u8_doc) if _MEDIA in m3u8_doc else {}
        codecs = {urljoin(m3u8_url or "", url): codec for url, codec in codecs_by_uri.items()}
        for each in formats:
            if each.get("vcodec") == "none" and not each.get("acodec") and each.get("url") in codecs:
                each["acodec"] = codecs[each["url"]]
        return formats, subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = parse_with_codecs  # noqa: SLF001
