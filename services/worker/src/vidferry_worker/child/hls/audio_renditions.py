"""Which audio rendition of a multivariant playlist is the main one: the one that a player plays by default.

That is the rendition with DEFAULT=YES, else the first of its group that a player may select by itself (RFC 8216
§4.3.4.1). An audio description is never the main one, unless there is nothing else.
"""

import re
from collections.abc import Iterable, Mapping

from vidferry_worker.child.hls.tags import EXTM3U, has_tag, parse_attributes, resolve_uri, write_tag

MEDIA, VARIANT = "#EXT-X-MEDIA", "#EXT-X-STREAM-INF"
ALTERNATIVE_PREFERENCE, DESCRIPTION_PREFERENCE = -2, -10
"""yt-dlp's language_preference for other renditions; its default is -1"""

Rendition = Mapping[str, str]
"""the attributes of an EXT-X-MEDIA tag"""

_DESCRIBES = "public.accessibility.describes-video"
_ORIGINAL = "public.original-content"
_TRANSLATED = ("public.translation", "public.machine-generated")
_DESCRIBING_NAME = re.compile(
    r"audio.{0,2}des[ck]|descripti(?:on|ve)|described|descriptif|h(?:ö|oe)rfilm|syns?tolk|(?-i:\bAD\b)", re.IGNORECASE
)
_DESCRIBING_LANGUAGE = "qad"
"""a private-use code of ISO 639-2 with which French broadcasters mark audio descriptions"""


def is_description(rendition: Rendition) -> bool:
    """Whether the rendition is an audio description."""
    is_described = _DESCRIBES in rendition.get("CHARACTERISTICS", "")
    named = bool(_DESCRIBING_NAME.search(rendition.get("NAME", "")))
    return is_described or named or rendition.get("LANGUAGE", "").lower().startswith(_DESCRIBING_LANGUAGE)


def choose_main(group: Iterable[Rendition]) -> Rendition:
    """The main rendition of a group, given in the playlist's order."""
    return min(group, key=_main_order)


def _main_order(rendition: Rendition) -> tuple[bool, ...]:
    """The sort key by which the main rendition of a group is the smallest."""
    characteristics = rendition.get("CHARACTERISTICS", "")
    return (
        is_description(rendition),
        rendition.get("DEFAULT") != "YES",
        _ORIGINAL not in characteristics,
        any(each in characteristics for each in _TRANSLATED),
        rendition.get("AUTOSELECT") == "NO",
    )


class AudioRenditions:
    """The audio renditions of a multivariant playlist."""

    def __init__(self, lines: list[str]) -> None:
        self._groups: dict[str, list[Rendition]] = {}
        for line in lines:
            if has_tag(line, MEDIA) and (rendition := parse_attributes(line)).get("TYPE") == "AUDIO":
                self._groups.setdefault(rendition.get("GROUP-ID", ""), []).append(rendition)
        self._main = {name: choose_main(group) for name, group in self._groups.items()}
        variants = [parse_attributes(line) for line in lines if has_tag(line, VARIANT)]
        # Where groups differ in language, the first variant's group counts: a player starts with it.
        begun = [variant.get("AUDIO", "") for variant in variants] or list(self._groups)
        self._first = next((self._main[name] for name in begun if name in self._main), {})

    def __bool__(self) -> bool:
        return bool(self._groups)

    def language_preference(self, rendition: Rendition) -> int | None:
        """yt-dlp's language_preference for a rendition; None, its default, for main audio."""
        if self._describes_another(rendition):
            return DESCRIPTION_PREFERENCE
        is_main = rendition == self._main[rendition.get("GROUP-ID", "")]
        return None if is_main and self._has_default_language(rendition) else ALTERNATIVE_PREFERENCE

    def _has_default_language(self, rendition: Rendition) -> bool:
        languages = {each.get("LANGUAGE", "").lower().partition("-")[0] for each in (rendition, self._first)}
        return len(languages) == 1 or "" in languages

    def preferences_by_url(self, base: str) -> dict[str, int]:
        """The language_preference of all renditions but the main audio, by the URLs of their playlists."""
        preferences: dict[str, int | None] = {}
        for rendition in (each for group in self._groups.values() for each in group if each.get("URI")):
            url, preference = resolve_uri(base, rendition["URI"]), self.language_preference(rendition)
            if preferences.setdefault(url, preference) is not None and preference is None:
                preferences[url] = None
        return {url: preference for url, preference in preferences.items() if preference is not None}

    def put_main_first(self, lines: list[str]) -> list[str]:
        """The playlist's lines with the main rendition first in each group.

        By a group's first rendition yt-dlp decides whether its variants contain their audio.
        """
        others = [
            line for line in lines if not (has_tag(line, MEDIA) and parse_attributes(line).get("TYPE") == "AUDIO")
        ]
        written = [write_tag(MEDIA, each) for name in self._groups for each in self._order_group(name)]
        head = 1 if others and others[0].startswith(EXTM3U) else 0
        return [*others[:head], *written, *others[head:]]

    def _order_group(self, name: str) -> list[Rendition]:
        main = self._main[name]
        others = [each for each in self._groups[name] if each is not main]
        if not main.get("URI"):  # the variants contain the main audio: no other rendition may replace it
            others = [each for each in others if not each.get("URI")]
        return [_as_default(main, "YES"), *(_as_default(each, "NO") for each in others)]

    def _describes_another(self, rendition: Rendition) -> bool:
        return is_description(rendition) and not is_description(self._first)


def _as_default(rendition: Rendition, default: str) -> Rendition:
    """The rendition with the attributes that yt-dlp requires (NAME, DEFAULT)."""
    name = rendition.get("NAME") or rendition.get("LANGUAGE") or "sound"
    return {**rendition, "NAME": name, "DEFAULT": default, "AUTOSELECT": default}
