"""What a store keeps of an object beside its bytes, and how that becomes a StoredObject.

    videos/site/id/format             the object. x-amz-meta-vidferry: its metadata, x-amz-meta-vidferry-id: its upload
    videos/site/id/format#long-<id>   its metadata, where it is longer than stores take as headers
    videos/site/id/format#metadata    its metadata as it was changed later, with the version that it is for

Metadata is JSON.

No object's own name has a "#", so these are never taken for objects. Metadata that is changed lies beside the object,
because a store could only change its own by copying the object: that changes the object's time, takes long, and is not
possible in one request above 5 GB.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from vidferry_common.bucket.disposition import filename_of
from vidferry_common.bucket.interface import StoredObject

MARK = "#"
CHANGED = "#metadata"
SHORT = 1900
"""bytes of metadata that go with an object: stores take 2 KB, with the names"""
SIDECAR_BYTES = 64 * 1024
_METADATA, _ID, _LONG = "vidferry", "vidferry-id", "long"
_BESIDE = re.compile(r"metadata|long-[0-9a-f]{32}")
"""behind MARK"""
_FRAGILE = re.compile(r"  +|\x7f")
"""in a header, what proxies and signatures may change"""


def long_name(name: str, upload_id: str) -> str:
    """The name of what keeps an object's long metadata."""
    return f"{name}#long-{upload_id}"


def owner_of(name: str) -> str | None:
    """The object that this lies beside; None where the name is that of an object, or of another program's making."""
    owner, _, beside = name.partition(MARK)
    return owner if _BESIDE.fullmatch(beside) else None


def encode_metadata(metadata: Mapping[str, str], upload_id: str) -> tuple[dict[str, str], bytes]:
    """As the store keeps it with the object; and what is to be stored under long_name() first, empty where it fits."""
    text = json.dumps(dict(metadata), separators=(",", ":"))
    text = _FRAGILE.sub(lambda found: "".join(f"\\u{ord(char):04x}" for char in found[0]), text)
    if len(text) <= SHORT:
        return {_METADATA: text, _ID: upload_id}, b""
    return {_METADATA: _LONG, _ID: upload_id}, text.encode()


def parse_metadata(text: str | bytes) -> dict[str, str]:
    """Whoever may write to the bucket may have written it, so that it may be anything."""
    try:
        found = json.loads(text)
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


@dataclass(frozen=True, slots=True)
class Described:
    """An object as the store describes it, without what lies beside it."""

    stored: StoredObject
    upload_id: str
    """of the upload that made it; empty where another program did"""
    has_long_metadata: bool

    def with_metadata(self, metadata: Mapping[str, str]) -> StoredObject:
        return replace(self.stored, metadata=dict(metadata))

    @classmethod
    def parse(cls, name: str, reply: Mapping[str, Any]) -> Self:
        """From the reply to HeadObject or GetObject."""
        # Some stores and proxies write the names of headers with capitals.
        kept = {key.lower(): value for key, value in reply.get("Metadata", {}).items()}
        text = kept.get(_METADATA, "")
        stored = StoredObject(
            name=name,
            version=version_in(reply),
            size=int(reply["ContentLength"]),
            content_type=reply.get("ContentType") or "application/octet-stream",
            crc32c=_checksum_in(reply),
            filename=filename_of(reply.get("ContentDisposition")),
            metadata=parse_metadata(text) if text else {},
            created=time_in(reply),
        )
        return cls(stored, kept.get(_ID, ""), text == _LONG)


@dataclass(frozen=True, slots=True)
class ChangedMetadata:
    """The metadata of one object as it was changed after its upload."""

    version: str
    created: float
    metadata: Mapping[str, str]
    change_id: str = ""
    etag: str = ""
    """of what keeps it; empty where there is none yet"""

    @classmethod
    def parse(cls, content: bytes, etag: str) -> Self | None:
        try:
            found = json.loads(content)
            metadata = {str(key): str(value) for key, value in found["metadata"].items()}
            return cls(str(found["version"]), float(found["created"]), metadata, str(found["change"]), etag)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def body(self) -> bytes:
        return json.dumps(
            {
                "version": self.version,
                "created": self.created,
                "change": self.change_id,
                "metadata": dict(self.metadata),
            }
        ).encode()

    def is_of(self, version: str, created: float) -> bool:
        """The same bytes have the same version when they are stored anew, but another time."""
        return (self.version, self.created) == (version, created)

    def apply(self, stored: StoredObject) -> StoredObject:
        return replace(stored, metadata=self.metadata) if self.is_of(stored.version, stored.created) else stored


def version_in(reply: Mapping[str, Any]) -> str:
    """The ETag of a reply, without its quotes."""
    return str(reply.get("ETag", "")).strip('"')[:128]


def time_in(reply: Mapping[str, Any]) -> float:
    """Whole seconds: HeadObject tells no more, though a list may."""
    return float(int(reply["LastModified"].timestamp()))


def _checksum_in(reply: Mapping[str, Any]) -> str:
    """The CRC-32C of all bytes; empty where the store keeps none, or only one of the parts' checksums."""
    found = str(reply.get("ChecksumCRC32C", ""))
    return "" if reply.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in found else found
