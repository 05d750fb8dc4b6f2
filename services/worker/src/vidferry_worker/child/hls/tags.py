"""The lines of a playlist, their tags and attribute lists (RFC 8216 §4.1, §4.2)."""

import re
from collections.abc import Mapping
from urllib.parse import urljoin

from vidferry_common.contract.errors import ErrorCode, JobFailure

BEGINNING = "#EXTM3U"
BYTE_ORDER_MARK = "\ufeff"
MOST_LINES = 1_000_000
"""of a playlist, also blank ones: four to a segment, for three days of segments of a second"""
MOST_OF_A_LINE = 1024**2
"""characters: a key may stand in its own address"""
_OTHER_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]{1,100})=("[^"]*"|[^",]*)')
_ENUMERATED = frozenset({"TYPE", "DEFAULT", "AUTOSELECT", "FORCED", "METHOD", "IV"})
"""Attributes whose values stand without quotes"""


def unsupported(detail: str) -> JobFailure:
    """The failure of a list that will not be another one when it is asked for again."""
    return JobFailure(ErrorCode.UNSUPPORTED_STREAM, detail)


def split_lines(text: str) -> list[str]:
    """The lines without blank ones, a byte order mark and what surrounds them.

    Python's splitlines(), which yt-dlp uses, also ends a line where a title has a character such as U+2028.
    """
    text = _OTHER_LINE_ENDS.sub(" ", text.removeprefix(BYTE_ORDER_MARK))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MOST_LINES:
        raise unsupported(f"a playlist of more than {MOST_LINES} lines")
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if max(map(len, lines), default=0) > MOST_OF_A_LINE:
        raise unsupported(f"a playlist with a line of more than {MOST_OF_A_LINE} characters")
    return lines


def has_tag(line: str, tag: str) -> bool:
    """Whether the line is this tag, such as `#EXT-X-MAP`, with or without a value."""
    return line == tag or line.startswith(f"{tag}:")


def tag_value(line: str) -> str:
    """What follows the tag's colon."""
    return line.partition(":")[2].strip()


def parse_attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag, values without their quotes."""
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(tag_value(line))}


def write_tag(tag: str, attributes: Mapping[str, str]) -> str:
    """The line of a tag with these attributes."""
    values = (f"{name}={value}" if name in _ENUMERATED else f'{name}="{value}"' for name, value in attributes.items())
    return f"{tag}:{','.join(values)}"


def resolve(base: str, uri: str) -> str:
    """A URI of a playlist as an absolute one; as yt-dlp does it, so that the two can be compared."""
    return uri if re.match(r"https?://", uri) else urljoin(base, uri)


def is_media_playlist(lines: list[str]) -> bool:
    """Whether the list names segments; else it names other lists."""
    return any(has_tag(line, "#EXT-X-TARGETDURATION") or has_tag(line, "#EXTINF") for line in lines)
