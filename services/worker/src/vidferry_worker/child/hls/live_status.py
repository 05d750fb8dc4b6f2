"""Whether a media playlist is live, and will still grow (RFC 8216 §4.3.3.4, §4.3.3.5, §6.2.1).

EXT-X-ENDLIST and EXT-X-PLAYLIST-TYPE:VOD say that it is complete; some servers send only the latter. A playlist with
neither may have been abandoned: a live one has to get a new segment in every target duration.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from vidferry_worker.child.hls.durations import sum_seconds
from vidferry_worker.child.hls.tags import has_tag, tag_value

MAX_IDLE_SECONDS = 3600.0
"""seconds without a new segment after which a stream has ended: no target duration is as long"""
ENDLIST, PLAYLIST_TYPE, PROGRAM_DATE_TIME, MEDIA_SEQUENCE = (
    "#EXT-X-ENDLIST",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-MEDIA-SEQUENCE",
)


def declares_end(lines: list[str]) -> bool:
    """Whether the playlist itself says that it is complete."""
    return any(has_tag(line, ENDLIST) or _is_of_type(line, "VOD") for line in lines)


def _is_of_type(line: str, name: str) -> bool:
    return has_tag(line, PLAYLIST_TYPE) and tag_value(line).upper() == name


def has_ended(lines: list[str], headers: Mapping[str, str], now: datetime | None = None) -> bool:
    """Whether the playlist is complete, by its tags and by its server's Last-Modified.

    An EVENT playlist, which always has all segments, is complete unless a recent change is known. Any other is complete
    only if it begins with the first segment, and no segment has been added for long.
    """
    if declares_end(lines):
        return True
    age = idle_seconds(lines, headers, now or datetime.now(UTC))
    if any(_is_of_type(line, "EVENT") for line in lines):
        return age is None or age > MAX_IDLE_SECONDS
    return not has_lost_beginning(lines) and age is not None and age > MAX_IDLE_SECONDS


def has_lost_beginning(lines: list[str]) -> bool:
    """Whether segments have been removed from the beginning, as in a live stream. Some servers count from 1."""
    return any(has_tag(line, MEDIA_SEQUENCE) and tag_value(line).lstrip("0") not in {"", "1"} for line in lines)


def idle_seconds(lines: list[str], headers: Mapping[str, str], now: datetime) -> float | None:
    """For how long at least no segment has been added; None where unknown."""
    modified = _parse_http_date(headers.get("Last-Modified"))
    changes = [each for each in (modified, _end_by_program_date(lines)) if each]
    return (now - max(changes)).total_seconds() if changes else None


def _parse_http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _end_by_program_date(lines: list[str]) -> datetime | None:
    """When the last segment ended, by the last EXT-X-PROGRAM-DATE-TIME and the segments that follow it."""
    dated = [at for at, line in enumerate(lines) if has_tag(line, PROGRAM_DATE_TIME)]
    if not dated:
        return None
    try:
        date = datetime.fromisoformat(tag_value(lines[dated[-1]]))
        end = date + timedelta(seconds=sum_seconds(lines[dated[-1] :]))
    except (ValueError, OverflowError):
        return None
    return end if end.tzinfo else end.replace(tzinfo=UTC)
