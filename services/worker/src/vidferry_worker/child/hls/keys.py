"""How segments are encrypted (EXT-X-KEY, RFC 8216 §4.3.2.4), and which keys are not DRM."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.tags import has_tag, parse_attributes, unsupported_stream, write_tag

KEY, SESSION_KEY = "#EXT-X-KEY", "#EXT-X-SESSION-KEY"
_FLASH_ACCESS = "#EXT-X-FAXS-CM"
_VECTOR = re.compile(r"0[xX][0-9a-fA-F]{1,32}")


def is_drm_key(attributes: Mapping[str, str]) -> bool:
    """Whether a DRM system keeps the key: its KEYFORMAT is not `identity`, which is the key's own bytes."""
    form = attributes.get("KEYFORMAT", "identity").lower()
    return attributes.get("METHOD") != "NONE" and form != "identity"


def is_drm_protected(text: str) -> bool:
    """Whether all keys of a media or multivariant playlist are DRM keys."""
    lines = [line.strip() for line in text.splitlines() if line.startswith((KEY, SESSION_KEY))]
    keys = [parse_attributes(line) for line in lines if has_tag(line, KEY) or has_tag(line, SESSION_KEY)]
    encrypted = [key for key in keys if key.get("METHOD") != "NONE"]
    return bool(encrypted) and all(map(is_drm_key, encrypted))


@dataclass(frozen=True)
class Key:
    """A key that yt-dlp can use; without a URI, no encryption."""

    uri: str = ""
    iv: str = ""
    """the initialization vector; empty where it is the media sequence number"""

    def with_sequence_iv(self, sequence: int) -> "Key":
        """The key with the IV of the segment with that media sequence number written out (§5.2)."""
        return replace(self, iv=f"0x{sequence:032x}")

    def __str__(self) -> str:
        if not self.uri:
            return write_tag(KEY, {"METHOD": "NONE"})
        vector = {"IV": self.iv} if self.iv else {}
        return write_tag(KEY, {"METHOD": "AES-128", "URI": self.uri} | vector)


def choose_key(lines: Iterable[str]) -> Key:
    """The key of a segment by the EXT-X-KEY tags before it, which are alternatives.

    JobFailure where none can be used.
    """
    keys = [parse_attributes(line) for line in lines if has_tag(line, KEY)]
    usable = [key for key in keys if not is_drm_key(key)]
    if not usable:
        raise JobFailure(ErrorCode.DRM, "of all keys")
    return _read_key(usable[-1])


def _read_key(attributes: Mapping[str, str]) -> Key:
    method = attributes.get("METHOD", "")
    if method == "NONE":
        return Key()
    if method != "AES-128":
        raise unsupported_stream(f"encrypted by {method[:100]}")
    uri, vector = attributes.get("URI", ""), attributes.get("IV", "")
    if not uri or (vector and not _VECTOR.fullmatch(vector)):
        raise unsupported_stream("a key without address, or with an IV that is none")
    return Key(uri, vector)


def refuse_flash_access(line: str) -> None:
    """JobFailure where the line is a tag of Flash Access."""
    if has_tag(line, _FLASH_ACCESS):
        raise JobFailure(ErrorCode.DRM, "Flash Access")
