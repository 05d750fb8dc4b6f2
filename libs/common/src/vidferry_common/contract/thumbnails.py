"""What counts as a thumbnail, and how large it may be."""

MAX_BYTES = 5 * 1024**2
JPEG, PNG, GIF, WEBP = "image/jpeg", "image/png", "image/gif", "image/webp"
MEDIA_TYPES = frozenset({JPEG, PNG, GIF, WEBP})
"""of pictures that every browser shows"""
EXTENSIONS = frozenset({"jpg", "jpeg", "png", "gif", "webp"})
"""of their files"""
HEAD_BYTES = 16
"""of a file, by which its media type is known"""

_SIGNATURES = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"GIF8", GIF))


def media_type_of(head: bytes) -> str | None:
    """The media type of a picture by its first HEAD_BYTES; None where it is no thumbnail."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return next((media_type for signature, media_type in _SIGNATURES if head.startswith(signature)), None)
