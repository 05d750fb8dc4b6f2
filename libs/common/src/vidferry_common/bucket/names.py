"""Which object names are allowed: they mean the same in every backend, and can't lead out of a folder."""

from vidferry_common.bucket.errors import BucketError

NAME_BYTES = 900
"""Cloud Storage takes 1024 bytes of UTF-8; the rest is left for the bucket's own prefix."""
SEGMENT_BYTES = 180
"""File systems take 255 bytes; the rest is left for what a folder appends."""

# '#' separates a folder's own suffixes from names, and gsutil takes it for the sign of a generation.
_REFUSED = frozenset("\\#")


def checked_name(name: str) -> str:
    """The name itself; BucketError where some backend could not store it.

    Segments are separated by "/"; none is empty, ".", "..", or longer than SEGMENT_BYTES of UTF-8; none holds a
    control character, a lone surrogate, a backslash or "#".
    """
    if len(_encode(name)) > NAME_BYTES:
        raise BucketError(f"an object's name has more than {NAME_BYTES} bytes")
    for segment in name.split("/"):
        if segment in {"", ".", ".."}:
            raise BucketError(f"not an object's name, a segment is empty or made of dots: {name!r}")
        if len(_encode(segment)) > SEGMENT_BYTES:
            raise BucketError(f"a segment of an object's name has more than {SEGMENT_BYTES} bytes: {name!r}")
        if any(char in _REFUSED or not char.isprintable() for char in segment):
            raise BucketError(f"not an object's name, a character is not allowed: {name!r}")
    return name


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BucketError(f"not an object's name, it is no Unicode text: {text!r}") from None
