"""What a track is for, so that the main one is taken: Role, Accessibility, Label and the order of languages."""

import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import Any
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import Document

_ROLE = "urn:mpeg:dash:role:2011"
_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_PURPOSES = {"1": "description", "2": "enhanced-audio-intelligibility", "3": "supplementary", "4": "commentary",
             "5": "commentary", "8": "supplementary"}  # fmt: skip
_HTML = "about:html-kind"
_HTML_KINDS = {"main-desc": "description", "descriptions": "description", "translation": "dub",
               "alternative": "alternate"}  # fmt: skip
_ELEMENTS = 50
"""of an adaptation set that are looked at"""
_LABEL = re.compile(r"audio.?descri|video.?descri|described|descriptive|(commentary)", re.IGNORECASE)

# A role's place, as yt-dlp's language_preference; the lowest of a track's counts. None told is -1, as yt-dlp has it.
_UNTOLD, _MAIN = -1.0, 10.0
_PLACES = {
    "description": -10.0, "sign": -10.0, "emergency": -10.0, "metadata": -10.0, "commentary": -8.0, "karaoke": -8.0,
    "dub": -6.0, "supplementary": -4.0, "enhanced-audio-intelligibility": -3.0, "alternate": -2.0,
}  # fmt: skip
_PRIORITIES, _LANGUAGES = 30, 90
"""of @selectionPriority and of languages; further ones are equal. Together they are less than a step between roles"""


def roles(document: Document, adaptation_set: Element) -> frozenset[str]:
    """Its roles by the words of urn:mpeg:dash:role:2011 (§5.8.5.5), also where other schemes tell them."""
    found = set()
    told = chain.from_iterable(document.children(adaptation_set, name) for name in ("Role", "Accessibility"))
    for element in islice(told, _ELEMENTS):
        scheme, value = element.get("schemeIdUri", ""), element.get("value", "").strip()
        if scheme == _PURPOSE:
            found.add(_PURPOSES.get(value, ""))
        elif scheme in {_ROLE, _HTML}:
            found.add(_HTML_KINDS.get(value, value) if scheme == _HTML else value)
    labels = " ".join((each.text or "")[:200] for each in document.children(adaptation_set, "Label")[:_ELEMENTS])
    if not found & _PLACES.keys() and (label := _LABEL.search(labels)):
        found.add("commentary" if label[1] else "description")
    return frozenset(found - {""})


def place(kind: str, told: frozenset[str]) -> float:
    """How much a track is the main one. Among pictures, one that no role is told of may as well be the best."""
    known = [_PLACES[role] for role in told if role in _PLACES and not (role == "alternate" and "main" in told)]
    if known:
        return min(known)
    return _MAIN if "main" in told and kind == "audio" else _UNTOLD


def choose(formats: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One period's formats, told apart for yt-dlp: `language_preference`, and roles as a note.

    What is beside the main track of its kind is left out: a choice by codec would take a description for the blind that
    has the codec. Players without a wish take the language that is named first.
    """
    places = [place(each["dash_track"].kind, each["dash_track"].roles) for each in formats]
    kinds = [each["dash_track"].kind for each in formats]
    main = {kind for kind, where in zip(kinds, places, strict=True) if where >= _UNTOLD}
    languages: dict[str | None, int] = {}
    chosen = []
    for each, kind, where in zip(formats, kinds, places, strict=True):
        if kind in main and where < _UNTOLD:
            continue
        preference = where + _priority(each["dash_track"].priority) / 100
        if kind == "audio":
            number = languages.setdefault(each.get("language"), len(languages))
            preference -= min(number, _LANGUAGES) / 10_000
        if preference != _UNTOLD:
            each["language_preference"] = preference
        if each["dash_track"].roles - {"main"}:
            each["format_note"] = _note(each)
        chosen.append(each)
    return chosen


def _note(each: dict[str, Any]) -> str:
    return ", ".join([each.get("format_note") or "", *sorted(each["dash_track"].roles - {"main"})])[:200]


def _priority(text: str | None) -> int:
    """@selectionPriority (§5.3.3.2): the higher, the sooner; 1 where it isn't told."""
    return min(int(text), _PRIORITIES) - 1 if text and re.fullmatch(r"\d{1,9}", text) else 0
