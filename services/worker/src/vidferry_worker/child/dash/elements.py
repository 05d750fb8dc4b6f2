"""Looks up a manifest's elements by name in any namespace, and parses its numbers within bounds."""

import math
from collections.abc import Hashable
from typing import Any
from xml.etree.ElementTree import Element

MAX_INTEGER = 2**63
"""larger integers are refused"""


class UnsupportedTrackError(Exception):
    """A track that can't be fetched as its manifest describes it. The message says why."""


class ElementIndex:
    """An index of a manifest's elements by name without namespace; each element's children are read only once."""

    def __init__(self) -> None:
        self._children: dict[Element, dict[str, list[Element]]] = {}
        self.shared: dict[Hashable, Any] = {}
        """what was parsed from elements that several tracks share"""

    def find_children(self, element: Element, name: str) -> list[Element]:
        found = self._children.get(element)
        if found is None:
            found = self._children[element] = {}
            for each in element:
                found.setdefault(str(each.tag).rpartition("}")[2], []).append(each)
        return found.get(name, [])

    def find_child(self, element: Element, name: str) -> Element | None:
        """The first one."""
        return next(iter(self.find_children(element, name)), None)


def parse_integer(text: str | None, default: int) -> int:
    """The value of an integer attribute; UnsupportedTrackError where it is not an integer."""
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError as error:
        raise UnsupportedTrackError(f"{text[:40]!r} is no whole number") from error
    if abs(number) > MAX_INTEGER:
        raise UnsupportedTrackError(f"{text[:40]} is too large")
    return number


def parse_positive(text: str | None) -> float | None:
    """The value of a positive number attribute, None where it is absent; UnsupportedTrackError where it is invalid."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise UnsupportedTrackError(f"{text[:40]!r} is no number") from error
    if not math.isfinite(number) or not 0 < number < MAX_INTEGER:
        raise UnsupportedTrackError(f"{text[:40]} is no duration")
    return number
