"""Which sound of a multivariant playlist is the main one: what a player plays that nobody has told otherwise.

That is the rendition with DEFAULT=YES, else the first of its group that a player may select by itself (RFC 8216
§4.3.4.1). A description for the blind never is, where there is anything else.
"""

import re
from collections.abc import Iterable, Mapping

from vidferry_worker.child.hls.tags import BEGINNING, has_tag, parse_attributes, resolve, write_tag

MEDIA, VARIANT = "#EXT-X-MEDIA", "#EXT-X-STREAM-INF"
ALTERNATIVE, DESCRIPTION = -2, -10
"""yt-dlp's language_preference of other sounds; where none is given it counts as -1"""

Rendition = Mapping[str, str]
"""The attributes of an EXT-X-MEDIA"""

_DESCRIBES = "public.accessibility.describes-video"
_ORIGINAL = "public.original-content"
_TRANSLATED = ("public.translation", "public.machine-generated")
_DESCRIBING_NAME = re.compile(
    r"audio.{0,2}des[ck]|descripti(?:on|ve)|described|descriptif|h(?:ö|oe)rfilm|syns?tolk|(?-i:\bAD\b)", re.IGNORECASE
)
_DESCRIBING_LANGUAGE = "qad"
"""as French broadcasters tag it: of the codes that ISO 639-2 leaves to private use"""


def is_description(rendition: Rendition) -> bool:
    """Whether it describes the picture to who can't see it."""
    told = _DESCRIBES in rendition.get("CHARACTERISTICS", "")
    named = bool(_DESCRIBING_NAME.search(rendition.get("NAME", "")))
    return told or named or rendition.get("LANGUAGE", "").lower().startswith(_DESCRIBING_LANGUAGE)


def choose_main(group: Iterable[Rendition]) -> Rendition:
    """The main one of those of a group, in the order of the list."""
    return min(group, key=_distance)


def _distance(rendition: Rendition) -> tuple[bool, ...]:
    """How far it is from being the main one; the first of equals is."""
    characteristics = rendition.get("CHARACTERISTICS", "")
    return (
        is_description(rendition),
        rendition.get("DEFAULT") != "YES",
        _ORIGINAL not in characteristics,
        any(each in characteristics for each in _TRANSLATED),
        rendition.get("AUTOSELECT") == "NO",
    )


class Sounds:
    """The renditions of a multivariant playlist's sound."""

    def __init__(self, lines: list[str]) -> None:
        self._groups: dict[str, list[Rendition]] = {}
        for line in lines:
            if has_tag(line, MEDIA) and (rendition := parse_attributes(line)).get("TYPE") == "AUDIO":
                self._groups.setdefault(rendition.get("GROUP-ID", ""), []).append(rendition)
        self._main = {name: choose_main(group) for name, group in self._groups.items()}
        variants = [parse_attributes(line) for line in lines if has_tag(line, VARIANT)]
        # Of groups that differ in language, the first variant's counts: it is what a player begins with.
        begun = [variant.get("AUDIO", "") for variant in variants] or list(self._groups)
        self._first = next((self._main[name] for name in begun if name in self._main), {})

    def __bool__(self) -> bool:
        return bool(self._groups)

    def preference(self, rendition: Rendition) -> int | None:
        """yt-dlp's language_preference; None for a main sound, which is like any other that stands alone."""
        if self._describes_another(rendition):
            return DESCRIPTION
        is_main = rendition == self._main[rendition.get("GROUP-ID", "")]
        return None if is_main and self._speaks_as_first(rendition) else ALTERNATIVE

    def _speaks_as_first(self, rendition: Rendition) -> bool:
        languages = {each.get("LANGUAGE", "").lower().partition("-")[0] for each in (rendition, self._first)}
        return len(languages) == 1 or "" in languages

    def preferences(self, base: str) -> dict[str, int]:
        """The language_preference of all that are not the main sound, by their lists' addresses."""
        told: dict[str, int | None] = {}
        for rendition in (each for group in self._groups.values() for each in group if each.get("URI")):
            address, preference = resolve(base, rendition["URI"]), self.preference(rendition)
            if told.setdefault(address, preference) is not None and preference is None:
                told[address] = None
        return {address: preference for address, preference in told.items() if preference is not None}

    def rewrite(self, lines: list[str]) -> list[str]:
        """The playlist in which each group begins with its main sound.

        yt-dlp looks at a group's first rendition to tell whether its variants hold their sound themselves.
        """
        others = [
            line for line in lines if not (has_tag(line, MEDIA) and parse_attributes(line).get("TYPE") == "AUDIO")
        ]
        written = [write_tag(MEDIA, each) for name in self._groups for each in self._written(name)]
        head = 1 if others and others[0].startswith(BEGINNING) else 0
        return [*others[:head], *written, *others[head:]]

    def _written(self, name: str) -> list[Rendition]:
        main = self._main[name]
        others = [each for each in self._groups[name] if each is not main]
        if not main.get("URI"):  # then what has a list is never taken for the sound that variants hold themselves
            others = [each for each in others if not each.get("URI")]
        return [_as_default(main, "YES"), *(_as_default(each, "NO") for each in others)]

    def _describes_another(self, rendition: Rendition) -> bool:
        return is_description(rendition) and not is_description(self._first)


def _as_default(rendition: Rendition, default: str) -> Rendition:
    """With the attributes that are required (NAME, DEFAULT) as yt-dlp needs them to be there."""
    name = rendition.get("NAME") or rendition.get("LANGUAGE") or "sound"
    return {**rendition, "NAME": name, "DEFAULT": default, "AUTOSELECT": default}
