"""The content type of an adaptation set: video, audio or other, multiplexed, or for trick modes."""

import re
from itertools import chain
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_codecs

from vidferry_worker.child.dash.elements import ElementIndex

_TRICK_MODE = re.compile(r"https?://dashif\.org/guidelines/trickmode", re.IGNORECASE)


def read_content_type(adaptation_set: Element, representation: Element) -> tuple[str, str]:
    """The content type and media type, derived where necessary from each other, the codecs or a size (§5.3.7.2)."""
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


def is_muxed(index: ElementIndex, adaptation_set: Element) -> bool:
    """Whether the set has video and audio in one stream, as content components (§5.3.4)."""
    parts = index.find_children(adaptation_set, "ContentComponent")
    return {"video", "audio"} <= {each.get("contentType") for each in parts}


def is_trick_mode(index: ElementIndex, adaptation_set: Element) -> bool:
    """Whether the set has only the frames that a player shows while seeking (DASH-IF IOP §3.2.9)."""
    names = ("EssentialProperty", "SupplementalProperty")
    properties = chain.from_iterable(index.find_children(adaptation_set, name) for name in names)
    return any(_TRICK_MODE.match(each.get("schemeIdUri", "")) for each in properties)
