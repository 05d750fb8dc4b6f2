"""The role of a track, by which the main one is chosen: Role, Accessibility, Label and the order of languages."""

import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import ElementIndex

_ROLE = "urn:mpeg:dash:role:2011"
_AUDIO_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_AUDIO_PURPOSES = {"1": "description", "2": "enhanced-audio-intelligibility", "3": "supplementary", "4": "commentary",
             "5": "commentary", "8": "supplementary"}  # fmt: skip
_HTML = "about:html-kind"
_HTML_KINDS = {"main-desc": "description", "descriptions": "description", "translation": "dub",
               "alternative": "alternate"}  # fmt: skip
_MAX_ELEMENTS = 50
"""elements of an adaptation set that are read"""
_LABEL = re.compile(r"audio.?descri|video.?descri|described|descriptive|(commentary)", re.IGNORECASE)

# The yt-dlp language_preference of each role; the lowest of a track's roles counts. Without a role it is yt-dlp's
# default, -1.
_NO_ROLE, _MAIN = -1.0, 10.0
_PREFERENCES = {
    "description": -10.0, "sign": -10.0, "emergency": -10.0, "metadata": -10.0, "commentary": -8.0, "karaoke": -8.0,
    "dub": -6.0, "supplementary": -4.0, "enhanced-audio-intelligibility": -3.0, "alternate": -2.0,
}  # fmt: skip
_PRIORITIES, _LANGUAGES = 30, 90
"""The highest @selectionPriority and number of languages that count. Together they weigh less than one role."""


def read_roles(index: ElementIndex, adaptation_set: Element) -> frozenset[str]:
    """The roles of an adaptation set, in the values of urn:mpeg:dash:role:2011 (§5.8.5.5), translated if necessary."""
    found = set()
    elements = chain.from_iterable(index.find_children(adaptation_set, name) for name in ("Role", "Accessibility"))
    for element in islice(elements, _MAX_ELEMENTS):
        scheme, value = element.get("schemeIdUri", ""), element.get("value", "").strip()
        if scheme == _AUDIO_PURPOSE:
            found.add(_AUDIO_PURPOSES.get(value, ""))
        elif scheme in {_ROLE, _HTML}:
            found.add(_HTML_KINDS.get(value, value) if scheme == _HTML else value)
    labels = " ".join((each.text or "")[:200] for each in index.find_children(adaptation_set, "Label")[:_MAX_ELEMENTS])
    if not found & _PREFERENCES.keys() and (label := _LABEL.search(labels)):
        found.add("commentary" if label[1] else "description")
    return frozenset(found - {""})


def role_preference(kind: str, roles: frozenset[str]) -> float:
    """The preference for a track by its roles. For video, `main` counts no more than no role at all."""
    known = [
        _PREFERENCES[role] for role in roles if role in _PREFERENCES and not (role == "alternate" and "main" in roles)
    ]
    if known:
        return min(known)
    return _MAIN if "main" in roles and kind == "audio" else _NO_ROLE


def rank_formats(formats: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ranks the formats of one period for yt-dlp by `language_preference`, and adds their roles as `format_note`.

    Alternatives to a main track are left out: a selector for a codec would take an audio description that has it.
    Of several languages the first is preferred, as by a player without a preference.
    """
    places = [role_preference(each["dash_track"].kind, each["dash_track"].roles) for each in formats]
    kinds = [each["dash_track"].kind for each in formats]
    main = {kind for kind, where in zip(kinds, places, strict=True) if where >= _NO_ROLE}
    languages: dict[str | None, int] = {}
    chosen = []
    for each, kind, where in zip(formats, kinds, places, strict=True):
        if kind in main and where < _NO_ROLE:
            continue
        preference = where + _selection_priority(each["dash_track"].priority) / 100
        if kind == "audio":
            number = languages.setdefault(each.get("language"), len(languages))
            preference -= min(number, _LANGUAGES) / 10_000
        if preference != _NO_ROLE:
            each["language_preference"] = preference
        if each["dash_track"].roles - {"main"}:
            each["format_note"] = _role_note(each)
        chosen.append(each)
    return chosen


def _role_note(each: dict[str, Any]) -> str:
    return ", ".join([each.get("format_note") or "", *sorted(each["dash_track"].roles - {"main"})])[:200]


def _selection_priority(text: str | None) -> int:
    """@selectionPriority (§5.3.3.2) less one: a higher value is preferred, and the default is 1."""
    return min(int(text), _PRIORITIES) - 1 if text and re.fullmatch(r"\d{1,9}", text) else 0
