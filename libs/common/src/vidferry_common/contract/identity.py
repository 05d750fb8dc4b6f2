"""Which video an address leads to, and what its object is called.

Names depend on the identity alone, so two attempts, or two addresses of one video, can't make two objects.
"""

import hashlib
import re
from dataclasses import dataclass

from vidferry_common.contract.formats import CANONICAL

ROOT = "videos"
"""Everything that Vidferry stores is below it."""
THUMBNAIL = "thumbnail"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Identity:
    """One video. by_address: the id is the digest of the final address, since the site has no ids of its own."""

    extractor: str
    domain: str
    video_id: str
    by_address: bool

    def folder(self) -> str:
        """Where everything about the video is in the bucket."""
        return "/".join([ROOT, _segment(self.extractor), _segment(self.domain), _segment(self.video_id)])

    def object_name(self, fmt: str) -> str:
        """The object of the video in one format (`Format.canonical()`)."""
        return f"{self.folder()}/{_segment(fmt)}"


def thumbnail_beside(object_name: str) -> str:
    """The picture of the video that the object is a format of."""
    return f"{folder_of(object_name)}/{THUMBNAIL}"


def folder_of(object_name: str) -> str:
    """The folder of the video that the object belongs to."""
    return object_name.rpartition("/")[0]


def is_stored_by_vidferry(name: str) -> bool:
    """Whether an object's name is one that is made here; any other in the same bucket is somebody else's."""
    root, *between, leaf = name.split("/")
    return root == ROOT and len(between) == 3 and (leaf == THUMBNAIL or leaf in CANONICAL)  # noqa: PLR2004 - Identity.folder


def _segment(text: str) -> str:
    """Text where it is safe as a part of a path and an object's name, else its digest."""
    if _SAFE.fullmatch(text) and not text.endswith("."):
        return text
    return "x-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def digest(*parts: str) -> str:
    """A digest of several strings that no other split of them shares."""
    joined = b"".join(
        len(raw).to_bytes(8, "big") + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
    )
    return hashlib.sha256(joined).hexdigest()[:40]
