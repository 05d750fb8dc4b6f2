"""Whether a media playlist will still grow (RFC 8216 §4.3.3.4, §4.3.3.5, §6.2.1).

EXT-X-ENDLIST says that it won't, and so does EXT-X-PLAYLIST-TYPE:VOD, which some servers send alone. A list that says
neither, though a live stream has to name a new segment with each target duration, may have been left as it is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from vidferry_worker.child.hls.durations import sum_seconds
from vidferry_worker.child.hls.tags import has_tag, tag_value

ENDED_AFTER = 3600.0
"""seconds without a new segment: no target duration is as long"""
END, TYPE, DATE, SEQUENCE = (
    "#EXT-X-ENDLIST",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-MEDIA-SEQUENCE",
)


def says_its_end(lines: list[str]) -> bool:
    """Whether the list itself tells that it is complete."""
    return any(has_tag(line, END) or _is_of_type(line, "VOD") for line in lines)


def _is_of_type(line: str, name: str) -> bool:
    return has_tag(line, TYPE) and tag_value(line).upper() == name


def has_ended(lines: list[str], headers: Mapping[str, str], now: datetime | None = None) -> bool:
    """Whether it is complete, by what it says and by what its server says of it (Last-Modified).

    One that is growing from its beginning (EVENT) is taken as complete where nothing tells that it grows; one that
    says nothing only where it begins with the first segment, and it is known that none was added for long.
    """
    if says_its_end(lines):
        return True
    age = idle_seconds(lines, headers, now or datetime.now(UTC))
    if any(_is_of_type(line, "EVENT") for line in lines):
        return age is None or age > ENDED_AFTER
    return not is_cut(lines) and age is not None and age > ENDED_AFTER


def is_cut(lines: list[str]) -> bool:
    """Whether segments have been taken away from the list's beginning, as a live stream's are. Some count from 1."""
    return any(has_tag(line, SEQUENCE) and tag_value(line).lstrip("0") not in {"", "1"} for line in lines)


def idle_seconds(lines: list[str], headers: Mapping[str, str], now: datetime) -> float | None:
    """How long no segment has been added, at the least; None where nothing tells."""
    modified = _parse_http_date(headers.get("Last-Modified"))
    told = [each for each in (modified, _end_by_clock(lines)) if each]
    return (now - max(told)).total_seconds() if told else None


def _parse_http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _end_by_clock(lines: list[str]) -> datetime | None:
    """When the last segment ended, by the last EXT-X-PROGRAM-DATE-TIME and the segments after it."""
    dated = [at for at, line in enumerate(lines) if has_tag(line, DATE)]
    if not dated:
        return None
    try:
        date = datetime.fromisoformat(tag_value(lines[dated[-1]]))
        end = date + timedelta(seconds=sum_seconds(lines[dated[-1] :]))
    except (ValueError, OverflowError):
        return None
    return end if end.tzinfo else end.replace(tzinfo=UTC)
