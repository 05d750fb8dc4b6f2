"""How a playlist's segments are encrypted (EXT-X-KEY, RFC 8216 §4.3.2.4), and which keys can be had."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.hls.tags import has_tag, parse_attributes, unsupported, write_tag

KEY, SESSION_KEY = "#EXT-X-KEY", "#EXT-X-SESSION-KEY"
_FLASH_ACCESS = "#EXT-X-FAXS-CM"
_VECTOR = re.compile(r"0[xX][0-9a-fA-F]{1,32}")


def is_foreign(attributes: Mapping[str, str]) -> bool:
    """Whether the key is in another form than its own bytes: then a system for protection keeps it."""
    form = attributes.get("KEYFORMAT", "identity").lower()
    return attributes.get("METHOD") != "NONE" and form != "identity"


def is_protected(text: str) -> bool:
    """Whether all keys that a playlist names, of whichever kind it is, are such ones."""
    lines = [line.strip() for line in text.splitlines() if line.startswith((KEY, SESSION_KEY))]
    keys = [parse_attributes(line) for line in lines if has_tag(line, KEY) or has_tag(line, SESSION_KEY)]
    encrypted = [key for key in keys if key.get("METHOD") != "NONE"]
    return bool(encrypted) and all(map(is_foreign, encrypted))


@dataclass(frozen=True)
class Key:
    """A key that yt-dlp can use, or none."""

    uri: str = ""
    vector: str = ""
    """the IV; empty where the segment's number is it"""

    def numbered(self, sequence: int) -> "Key":
        """With the IV of the segment of that number written out (§5.2)."""
        return replace(self, vector=f"0x{sequence:032x}")

    def __str__(self) -> str:
        if not self.uri:
            return write_tag(KEY, {"METHOD": "NONE"})
        vector = {"IV": self.vector} if self.vector else {}
        return write_tag(KEY, {"METHOD": "AES-128", "URI": self.uri} | vector)


def choose_key(lines: Iterable[str]) -> Key:
    """The one of the EXT-X-KEY tags before a segment, each another way to the same content.

    JobFailure where there is none that can be used.
    """
    keys = [parse_attributes(line) for line in lines if has_tag(line, KEY)]
    usable = [key for key in keys if not is_foreign(key)]
    if not usable:
        raise JobFailure(ErrorCode.DRM, "of all keys")
    return _read_key(usable[-1])


def _read_key(attributes: Mapping[str, str]) -> Key:
    method = attributes.get("METHOD", "")
    if method == "NONE":
        return Key()
    if method != "AES-128":
        raise unsupported(f"encrypted by {method[:100]}")
    uri, vector = attributes.get("URI", ""), attributes.get("IV", "")
    if not uri or (vector and not _VECTOR.fullmatch(vector)):
        raise unsupported("a key without address, or with an IV that is none")
    return Key(uri, vector)


def check_protection(line: str) -> None:
    """JobFailure where the line is one of Flash Access."""
    if has_tag(line, _FLASH_ACCESS):
        raise JobFailure(ErrorCode.DRM, "Flash Access")
