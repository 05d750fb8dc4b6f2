"""The outline of a manifest that yt-dlp reads: the tracks without their segments. A track's URL is its number."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from vidferry_worker.child.dash.elements import ElementIndex


def track_url(number: int) -> str:
    """The URL that stands for a track in the outline; absolute, so that yt-dlp doesn't resolve it."""
    return f"https://track.invalid/{number}"


def track_number(url: str) -> int:
    """The number of the track that a URL of the outline stands for."""
    return int(url.rpartition("/")[2])


def copy_element(element: Element, parent: Element | None = None, kept: Iterable[Element] = ()) -> Element:
    """A copy of an element with only the kept children, added to parent."""
    copied = Element(element.tag, element.attrib)
    copied.extend(kept)
    if parent is not None:
        parent.append(copied)
    return copied


def add_track(
    index: ElementIndex, representation: Element, parent: Element, number: int, kind: str, media_type: str
) -> None:
    """Adds a representation to the outline of its adaptation set."""
    outline = copy_element(representation, parent, index.find_children(representation, "ContentProtection"))
    if kind:
        outline.set("contentType", kind)
    outline.set("mimeType", media_type)
    base_url = index.find_child(representation, "BaseURL")
    base = Element(representation.tag.replace("Representation", "BaseURL"), {} if base_url is None else base_url.attrib)
    base.text = track_url(number)
    outline.append(base)
