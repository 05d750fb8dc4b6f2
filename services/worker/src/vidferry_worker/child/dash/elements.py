"""A manifest's elements and attributes, whatever their namespace; figures of a site are bounded."""

import math
from xml.etree.ElementTree import Element

LARGEST = 2**63
"""of any whole number, as xs:unsignedLong is meant to be stored"""


class UnsupportedTrackError(Exception):
    """A track that can't be fetched as its manifest describes it. Its text says why."""


def name(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element, wanted: str) -> list[Element]:
    return [each for each in element if name(each) == wanted]


def child(element: Element, wanted: str) -> Element | None:
    """The first child of that name."""
    return next((each for each in element if name(each) == wanted), None)


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
