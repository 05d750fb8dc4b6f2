"""A manifest without its segments, for yt-dlp to read what tracks are: each one's address is its number."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import Document


def address(number: int) -> str:
    """What stands for a track in the outline; absolute, so that yt-dlp joins nothing to it."""
    return f"https://track.invalid/{number}"


def number(told: str) -> int:
    """The track for which an address stands."""
    return int(told.rpartition("/")[2])


def copy(element: Element, parent: Element | None = None, kept: Iterable[Element] = ()) -> Element:
    """An element without its children, but for those that are kept, below a parent."""
    copied = Element(element.tag, element.attrib)
    copied.extend(kept)
    if parent is not None:
        parent.append(copied)
    return copied


def add_track(
    document: Document, representation: Element, parent: Element, number: int, kind: str, media_type: str
) -> None:
    """Adds a representation below its adaptation set's outline."""
    outline = copy(representation, parent, document.children(representation, "ContentProtection"))
    if kind:
        outline.set("contentType", kind)
    outline.set("mimeType", media_type)
    told = document.child(representation, "BaseURL")
    base = Element(representation.tag.replace("Representation", "BaseURL"), {} if told is None else told.attrib)
    base.text = address(number)
    outline.append(base)
