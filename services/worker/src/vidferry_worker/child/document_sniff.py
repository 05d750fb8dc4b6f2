"""Detects documents, images and archives behind the URL of a supposed video, by their first bytes.

text_content.py detects text. GIF is not in the list, since it may be animated.
"""

from vidferry_worker.children import text_content

_SIGNATURES = (
    b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"8BPS", b"AT&TFORM",
    b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"\xff\x0a",
    b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"MZ", b"\x7fELF", b"wOFF", b"wOF2", b"\0asm", b"SQLite format 3\0",
)  # fmt: skip
_STILL_IMAGE_BRANDS = frozenset({b"avif", b"heic", b"heix", b"mif1", b"crx "})
"""brands of still images in ISO media files (ISO/IEC 23008-12 §10)"""
_TAR_OFFSET = 257


def is_document(head: bytes) -> bool:
    """Whether a file with this beginning is a document, an image or an archive."""
    if head.startswith(_SIGNATURES) or head[_TAR_OFFSET : _TAR_OFFSET + 5] == b"ustar":
        return True
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_IMAGE_BRANDS:
        return True
    return (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or _is_icon(head)


def _is_icon(head: bytes) -> bool:
    """Whether it is a Windows icon of less than 256 sizes: an MPEG video may begin with the same four bytes."""
    return head[:4] == b"\0\0\1\0" and head[4:5] != b"\0" and head[5:6] == b"\0" and head[9:10] == b"\0"


def is_not_video(head: bytes) -> bool:
    """As is_document, and also for text that refers to no media, such as JSON or a script."""
    return is_document(head) or (text_content.is_text(head) and not text_content.is_reference(head))
