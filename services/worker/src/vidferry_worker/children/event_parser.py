"""Parses what a child sends. A child is not trusted: an invalid message ends it.

Messages are checked and bounded here and nowhere else. Members that an event doesn't have are dropped.
"""

from collections.abc import Callable
from typing import Any

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.children.protocol import (
    EVENT_NAMES,
    MAX_CODECS,
    MAX_EXTRACTORS,
    MAX_FILE_NAME,
    MAX_HOST,
    MAX_OTHER_URLS,
    MAX_STREAMS,
    MAX_TEXT,
    MAX_URL,
    MAX_VIDEO_ID,
    NUMBER_LIMIT,
    ConnectRequest,
    Converting,
    Done,
    Event,
    Evidence,
    EvidenceFound,
    Extractors,
    Failed,
    FileDescription,
    FoundIdentity,
    FoundStream,
    Growing,
    LogLine,
    Message,
    Progress,
    Thumbnail,
    VideoFound,
    Waiting,
)

MAX_EVIDENCE_ENTRIES, MAX_EVIDENCE_NAME, MAX_EVIDENCE_VALUE = 6, 20, 200
"""of one stream"""
MAX_VIDEOS = 1_000_000
"""of a page or a list"""


class InvalidEventError(Exception):
    """A child has sent something that is no valid event."""


def parse_event(message: Message) -> Event:
    """The event in a message of a child; InvalidEventError."""
    name = message.get("event")
    parse = _PARSERS.get(name) if isinstance(name, str) else None
    if parse is None:
        raise InvalidEventError("it is of no known kind")
    return parse(message)


def parse_evidence(value: Any) -> Evidence:
    """The evidence in an event, or in an object's metadata; InvalidEventError."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_STREAMS:
        raise InvalidEventError("its evidence is none")
    for stream in value:
        _check_stream_evidence(stream)
    return value


def _check_stream_evidence(stream: Any) -> None:
    if not isinstance(stream, dict) or len(stream) > MAX_EVIDENCE_ENTRIES:
        raise InvalidEventError("its evidence of a stream is none")
    for name, value in stream.items():
        if len(name) > MAX_EVIDENCE_NAME or not isinstance(value, str) or len(value) > MAX_EVIDENCE_VALUE:
            raise InvalidEventError("its evidence of a stream is too long, or no text")


def _parse_progress(message: Message) -> Progress:
    return Progress(
        _read_integer(message, "stream", MAX_STREAMS - 1),
        _read_flag(message, "finished"),
        _read_optional_number(message, "downloaded"),
        _read_optional_number(message, "total"),
        _read_optional_number(message, "estimate"),
        _read_optional_number(message, "fragment"),
        _read_optional_number(message, "fragments"),
    )


def _parse_connect_request(message: Message) -> ConnectRequest:
    return ConnectRequest(
        _read_integer(message, "id"),
        _read_text(message, "host", MAX_HOST),
        _read_integer(message, "port"),
        _read_number(message, "timeout"),
    )


def _parse_extractors(message: Message) -> Extractors:
    return Extractors(_read_texts(message, "extractors", MAX_EXTRACTORS, 200))


def _parse_log_line(message: Message) -> LogLine:
    return LogLine(_read_text(message, "text", MAX_TEXT))


def _parse_video_found(message: Message) -> VideoFound:
    streams = message.get("streams")
    if not isinstance(streams, list) or not 0 < len(streams) <= MAX_STREAMS:
        raise InvalidEventError("its streams are none, or too many")
    return VideoFound(
        _parse_identity(message.get("identity")),
        _read_text(message, "title", 500),
        _read_optional_number(message, "duration"),
        _read_text(message, "source", 2000),
        [_parse_stream(stream) for stream in streams],
        _read_integer(message, "videos", MAX_VIDEOS) if "videos" in message else 1,
        _read_texts(message, "other_urls", MAX_OTHER_URLS, MAX_URL) if "other_urls" in message else [],
    )


def _parse_identity(value: Any) -> FoundIdentity:
    if not isinstance(value, dict) or not value.keys() <= set(FoundIdentity.__slots__):
        raise InvalidEventError("its identity is none")
    return FoundIdentity(
        _read_text(value, "extractor", 200),
        _read_text(value, "domain", 300),
        _read_text(value, "video_id", MAX_VIDEO_ID),
        _read_flag(value, "by_url"),
        _read_text(value, "page", MAX_VIDEO_ID) if "page" in value else "",
    )


def _parse_stream(value: Any) -> FoundStream:
    if not isinstance(value, dict):
        raise InvalidEventError("one of its streams is none")
    return FoundStream(_read_optional_number(value, "bit_rate"), _read_optional_number(value, "bytes"))


def _parse_evidence_found(message: Message) -> EvidenceFound:
    return EvidenceFound(parse_evidence(message.get("evidence")))


def _parse_thumbnail(message: Message) -> Thumbnail:
    return Thumbnail(_read_text(message, "file", MAX_FILE_NAME))


def _parse_growing(message: Message) -> Growing:
    return Growing(
        _read_text(message, "part", MAX_FILE_NAME),
        _read_integer(message, "total"),
        _parse_description(message),
        parse_evidence(message.get("evidence")),
    )


def _parse_description(message: Message) -> FileDescription:
    return FileDescription(
        _read_text(message, "file", MAX_FILE_NAME),
        _read_text(message, "container", 40),
        _read_text(message, "brand", 4),
        _read_texts(message, "codecs", MAX_CODECS, 40),
        _read_flag(message, "video"),
        _read_optional_number(message, "duration"),
    )


def _parse_converting(message: Message) -> Converting:
    return Converting(_read_number(message, "written"), _read_optional_number(message, "expected"))


def _parse_waiting(message: Message) -> Waiting:
    return Waiting(_read_number(message, "seconds"), _read_flag(message, "asked"))


def _parse_done(message: Message) -> Done:
    return Done(_parse_description(message), parse_evidence(message.get("evidence")))


def _parse_failed(message: Message) -> Failed:
    try:
        code = ErrorCode(_read_text(message, "code", 100))
    except ValueError as error:
        raise InvalidEventError("it fails by no known code") from error
    return Failed(
        code,
        _read_text(message, "detail", MAX_TEXT),
        _read_optional_number(message, "retry_after"),
        None if message.get("entries") is None else _read_integer(message, "entries", MAX_VIDEOS),
    )


_PARSERS: dict[str, Callable[[Message], Event]] = {
    EVENT_NAMES[Progress]: _parse_progress,
    EVENT_NAMES[ConnectRequest]: _parse_connect_request,
    EVENT_NAMES[Extractors]: _parse_extractors,
    EVENT_NAMES[LogLine]: _parse_log_line,
    EVENT_NAMES[VideoFound]: _parse_video_found,
    EVENT_NAMES[EvidenceFound]: _parse_evidence_found,
    EVENT_NAMES[Thumbnail]: _parse_thumbnail,
    EVENT_NAMES[Growing]: _parse_growing,
    EVENT_NAMES[Converting]: _parse_converting,
    EVENT_NAMES[Waiting]: _parse_waiting,
    EVENT_NAMES[Done]: _parse_done,
    EVENT_NAMES[Failed]: _parse_failed,
}


def _read_text(message: Message, name: str, max_length: int) -> str:
    value = message.get(name)
    if not isinstance(value, str) or len(value) > max_length:
        raise InvalidEventError(f"{name} is no text of up to {max_length} characters")
    return value


def _read_texts(message: Message, name: str, max_count: int, max_length: int) -> list[str]:
    value = message.get(name)
    if not isinstance(value, list) or len(value) > max_count:
        raise InvalidEventError(f"{name} is no list of up to {max_count}")
    if not all(isinstance(item, str) and len(item) <= max_length for item in value):
        raise InvalidEventError(f"one of {name} is no text of up to {max_length} characters")
    return value


def _read_flag(message: Message, name: str) -> bool:
    value = message.get(name, False)
    if value is not True and value is not False:
        raise InvalidEventError(f"{name} is neither true nor false")
    return value


def _read_integer(message: Message, name: str, maximum: int = NUMBER_LIMIT - 1) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= maximum:
        raise InvalidEventError(f"{name} is no whole number from 0 to {maximum}")
    return value


def _read_number(message: Message, name: str) -> float:
    value = _read_optional_number(message, name)
    if value is None:
        raise InvalidEventError(f"{name} is missing")
    return value


def _read_optional_number(message: Message, name: str) -> float | None:
    value = message.get(name)
    if value is None:
        return None
    kind = type(value)  # not isinstance: a bool is an int
    if (kind is int or kind is float) and 0 <= value < NUMBER_LIMIT:
        return value  # type: ignore[no-any-return]
    raise InvalidEventError(f"{name} is no number from 0 to below {NUMBER_LIMIT}")
