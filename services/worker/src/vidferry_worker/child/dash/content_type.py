"""What kind of track an adaptation set holds, where its codecs alone don't tell."""

import re
from itertools import chain
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_codecs

from vidferry_worker.child.dash.elements import Document

_TRICK_MODE = re.compile(r"https?://dashif\.org/guidelines/trickmode", re.IGNORECASE)


def media_type(adaptation_set: Element, representation: Element) -> tuple[str, str]:
    """Its kind and media type, also where only the one, the codecs or a picture's size tell it (§5.3.7.2)."""
    attributes = adaptation_set.attrib | representation.attrib
    media_type = attributes.get("mimeType", "")
    kind = attributes.get("contentType") or media_type.partition("/")[0]
    if kind not in {"video", "audio", "text", "image"}:
        codecs = parse_codecs(attributes.get("codecs", ""))
        if codecs.get("vcodec", "none") != "none" or "width" in attributes or "height" in attributes:
            kind = "video"
        elif codecs.get("acodec", "none") != "none" or "audioSamplingRate" in attributes:
            kind = "audio"
    if not media_type and kind in {"video", "audio"}:
        media_type = f"{kind}/mp4"
    return kind, media_type


def is_muxed(document: Document, adaptation_set: Element) -> bool:
    """Whether its parts are told apart as picture and sound (§5.3.4)."""
    parts = document.children(adaptation_set, "ContentComponent")
    return {"video", "audio"} <= {each.get("contentType") for each in parts}


def is_for_seeking(document: Document, adaptation_set: Element) -> bool:
    """Whether it is single pictures, shown while a player winds (DASH-IF IOP §3.2.9)."""
    names = ("EssentialProperty", "SupplementalProperty")
    properties = chain.from_iterable(document.children(adaptation_set, name) for name in names)
    return any(_TRICK_MODE.match(each.get("schemeIdUri", "")) for each in properties)
