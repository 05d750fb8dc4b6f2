"""The codec of HLS sound that is a list of its own: yt-dlp leaves it untold, so nothing can be chosen by it.

An EXT-X-MEDIA names no codec. The variants that refer to its group do: their CODECS name each sample format "present in
one or more Renditions specified by the Variant Stream" (RFC 8216 §4.3.4.2), so what all of a group's variants name is
the group's.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import parse_m3u8_attributes

_MEDIA, _VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"
SOUND = frozenset(
    {"mp4a", "aac", "mp3", "ac-3", "ec-3", "ac-4", "opus", "vorbis", "flac", "alac", "dtsc", "dtse", "dtsh", "dtsl"}
)
"""RFC 6381's names, in small letters"""

Codecs = dict[str, str]
"""by the name without its profile, such as {"mp4a": "mp4a.40.2"}"""


def codecs_of(playlist: str) -> dict[str, str]:
    """The codec of each sound list's address, as it stands in a master playlist; without those that nothing tells."""
    named = _named_by_variants(playlist)
    found: dict[str, set[str]] = {}
    for media in _attributes(playlist, _MEDIA):
        if media.get("TYPE") == "AUDIO" and media.get("URI"):
            codecs = named.get(str(media.get("GROUP-ID")), {})
            found.setdefault(str(media["URI"]), set()).add(*codecs.values() if len(codecs) == 1 else [""])
    return {address: min(codecs) for address, codecs in found.items() if len(codecs) == 1 and "" not in codecs}


def _named_by_variants(playlist: str) -> dict[str, Codecs]:
    """Of each group, the sound codecs that all variants with codecs and this group name."""
    named: dict[str, Codecs] = {}
    for variant in _attributes(playlist, _VARIANT):
        group, codecs = variant.get("AUDIO"), _sound_codecs(str(variant.get("CODECS") or ""))
        if group and codecs:
            before = named.get(group, codecs)
            named[group] = {name: codec for name, codec in before.items() if name in codecs}
    return named


def _sound_codecs(codecs: str) -> Codecs:
    named: Codecs = {}
    for codec in codecs.split(","):
        name, dot, profile = codec.strip().partition(".")
        if name.lower() in SOUND:
            named.setdefault(name.lower(), name.lower() + dot + profile)
    return named


def _attributes(playlist: str, tag: str) -> Iterator[dict[str, str]]:
    return (parse_m3u8_attributes(line) for line in map(str.strip, playlist.splitlines()) if line.startswith(tag))


def install() -> None:
    parse = InfoExtractor._parse_m3u8_formats_and_subtitles  # noqa: SLF001

    def parse_with_codecs(extractor: Any, m3u8_doc: str, m3u8_url: str | None = None, *args: Any, **how: Any) -> Any:
        formats, subtitles = parse(extractor, m3u8_doc, m3u8_url, *args, **how)
        told = codecs_of(m3u8_doc) if _MEDIA in m3u8_doc else {}
        codecs = {urljoin(m3u8_url or "", address): codec for address, codec in told.items()}
        for each in formats:
            if each.get("vcodec") == "none" and not each.get("acodec") and each.get("url") in codecs:
                each["acodec"] = codecs[each["url"]]
        return formats, subtitles

    InfoExtractor._parse_m3u8_formats_and_subtitles = parse_with_codecs  # noqa: SLF001
