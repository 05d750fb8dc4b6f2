"""A manifest's elements and attributes, whatever their namespace; figures of a site are bounded."""

import math
from collections.abc import Hashable
from typing import Any
from xml.etree.ElementTree import Element

LARGEST = 2**63
"""of any whole number, as xs:unsignedLong is meant to be stored"""


class UnsupportedTrackError(Exception):
    """A track that can't be fetched as its manifest describes it. Its text says why."""


class Document:
    """Looks for elements by their names without namespaces, and through the children of each element once only."""

    def __init__(self) -> None:
        self._children: dict[Element, dict[str, list[Element]]] = {}
        self.read: dict[Hashable, Any] = {}
        """what was made of elements that several tracks share"""

    def children(self, element: Element, name: str) -> list[Element]:
        found = self._children.get(element)
        if found is None:
            found = self._children[element] = {}
            for each in element:
                found.setdefault(str(each.tag).rpartition("}")[2], []).append(each)
        return found.get(name, [])

    def child(self, element: Element, name: str) -> Element | None:
        """The first one."""
        return next(iter(self.children(element, name)), None)


def whole(text: str | None, default: int) -> int:
    """An attribute that is a whole number; UnsupportedTrackError where it is none."""
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError as error:
        raise UnsupportedTrackError(f"{text[:40]!r} is no whole number") from error
    if abs(number) > LARGEST:
        raise UnsupportedTrackError(f"{text[:40]} is too large")
    return number


def positive(text: str | None) -> float | None:
    """An attribute that is a positive number, None where there is none; UnsupportedTrackError where it is none."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise UnsupportedTrackError(f"{text[:40]!r} is no number") from error
    if not math.isfinite(number) or not 0 < number < LARGEST:
        raise UnsupportedTrackError(f"{text[:40]} is no duration")
    return number
