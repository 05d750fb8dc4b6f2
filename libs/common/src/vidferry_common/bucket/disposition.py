"""File names for Content-Disposition, in any script, without what breaks a header or deceives a reader.

Sources: RFC 6266 (the header), RFC 8187 (its extended form), RFC 6266 appendix D (no "%" in the plain form).
"""

import re
import unicodedata
from urllib.parse import quote, unquote

FILENAME_BYTES = 200
"""of UTF-8; file systems take 255, and browsers append " (1)" and ".crdownload" """

_EXTENSION_BYTES = 16
# Marks that change the direction of text: with them "exe.mp4" can be shown for a file that is called "4pm.exe".
_DIRECTION = frozenset("\u200e\u200f\u061c" + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])))
_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187 attr-char, besides letters and digits
_EXTENDED = re.compile(r"filename\*=UTF-8''([^;\s]+)", re.IGNORECASE)


def clean_filename(filename: str) -> str:
    """The name without control characters, quotes, separators and direction marks, of FILENAME_BYTES at most."""
    composed = unicodedata.normalize("NFC", filename)
    kept = "".join("_" if char in "/\\" else char for char in composed if _is_allowed(char))
    return _shorten(" ".join(kept.split()).lstrip(". "))


def other_filename(filename: str, own: str) -> str:
    """The cleaned name that a link has to carry; empty where it is the object's own, which needs none."""
    name = clean_filename(filename)
    return "" if name == own else name


def content_disposition(filename: str) -> str:
    """The header's value, ASCII, that makes a browser save a download under that name."""
    name = clean_filename(filename)
    if not name:
        return "attachment"
    return f"attachment; filename=\"{_ascii_name(name)}\"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"


def filename_of(disposition: str | None) -> str:
    """The name in a header that content_disposition wrote; empty where there is none."""
    found = _EXTENDED.search(disposition or "")
    return clean_filename(unquote(found[1], errors="replace")) if found else ""


def _is_allowed(char: str) -> bool:
    return char != '"' and char not in _DIRECTION and unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}


def _shorten(name: str) -> str:
    """Shortens the stem and keeps a short extension; never cuts inside a character."""
    if len(name.encode()) <= FILENAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _EXTENSION_BYTES:
        stem, dot, extension = name, "", ""
    room = FILENAME_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + extension


def _ascii_name(name: str) -> str:
    """ASCII for clients that don't read the extended form."""
    plain = "".join(_ascii_character(char) for char in name)
    stem, dot, extension = plain.rpartition(".")
    if not (stem if dot else plain).strip("_ .-"):
        return f"video{dot}{extension}" if dot else "video"
    return plain


def _ascii_character(char: str) -> str:
    kept = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return "".join(c if c.isprintable() and c not in '%"\\/;' else "_" for c in kept) or "_"
