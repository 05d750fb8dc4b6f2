"""Lines, tags and attribute lists of a playlist (RFC 8216 §4.1, §4.2)."""

import re
from collections.abc import Mapping
from urllib.parse import urljoin

from vidferry_common.contract.errors import ErrorCode, JobFailure

EXTM3U = "#EXTM3U"
BYTE_ORDER_MARK = "\ufeff"
MAX_LINES = 1_000_000
"""with blank lines: three days in segments of one second, with four lines each"""
MAX_LINE_LENGTH = 1024**2
"""characters: a data URL may contain a key"""
_OTHER_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]{1,100})=("[^"]*"|[^",]*)')
_ENUMERATED = frozenset({"TYPE", "DEFAULT", "AUTOSELECT", "FORCED", "METHOD", "IV"})
"""attributes whose values have no quotes"""


def unsupported_stream(detail: str) -> JobFailure:
    """The failure for a playlist that can't be downloaded, now or later."""
    return JobFailure(ErrorCode.UNSUPPORTED_STREAM, detail)


def split_lines(text: str) -> list[str]:
    """The lines of a playlist, stripped, without blank lines and without a byte order mark.

    Python's splitlines(), which yt-dlp uses, would also split at characters such as U+2028, which a title may have.
    """
    text = _OTHER_LINE_ENDS.sub(" ", text.removeprefix(BYTE_ORDER_MARK))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MAX_LINES:
        raise unsupported_stream(f"a playlist of more than {MAX_LINES} lines")
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if max(map(len, lines), default=0) > MAX_LINE_LENGTH:
        raise unsupported_stream(f"a playlist with a line of more than {MAX_LINE_LENGTH} characters")
    return lines


def has_tag(line: str, tag: str) -> bool:
    """Whether the line is this tag, such as `#EXT-X-MAP`, with or without a value."""
    return line == tag or line.startswith(f"{tag}:")


def tag_value(line: str) -> str:
    """What follows the tag's colon."""
    return line.partition(":")[2].strip()


def parse_attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag, with unquoted values."""
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(tag_value(line))}


def write_tag(tag: str, attributes: Mapping[str, str]) -> str:
    """The line of a tag with these attributes."""
    values = (f"{name}={value}" if name in _ENUMERATED else f'{name}="{value}"' for name, value in attributes.items())
    return f"{tag}:{','.join(values)}"


def resolve_uri(base: str, uri: str) -> str:
    """The absolute URL of a URI in a playlist, resolved as yt-dlp does, so that the two can be compared."""
    return uri if re.match(r"https?://", uri) else urljoin(base, uri)


def is_media_playlist(lines: list[str]) -> bool:
    """Whether this is a media playlist, with segments; else it is a multivariant playlist."""
    return any(has_tag(line, "#EXT-X-TARGETDURATION") or has_tag(line, "#EXTINF") for line in lines)
