"""Parses what a child sends. A child is not trusted: an invalid message ends it.

Messages are checked and bounded here and in probe_parser.py, and nowhere else. Members that an event does not have are
dropped.
"""

from collections.abc import Callable
from typing import Any

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.result import MAX_OTHER_URLS
from vidferry_worker.children.event_members import (
    InvalidEventError,
    read_flag,
    read_integer,
    read_integers,
    read_number,
    read_optional_number,
    read_text,
    read_texts,
    read_word,
    read_words,
)
from vidferry_worker.children.probe_parser import parse_probed
from vidferry_worker.children.protocol import (
    EVENT_NAMES,
    MAX_CODECS,
    MAX_CONTAINER,
    MAX_EXTRACTORS,
    MAX_FILE_NAME,
    MAX_HOST,
    MAX_LISTED_AT_ONCE,
    MAX_LONG_URL,
    MAX_OFFERED,
    MAX_PAGE_URL,
    MAX_PIXELS,
    MAX_STREAMS,
    MAX_TEXT,
    MAX_TITLE,
    MAX_VERSION,
    MAX_VIDEO_ID,
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
    ListedEntry,
    LogLine,
    Message,
    Probed,
    Progress,
    Thumbnail,
    VideoFound,
    VideosListed,
    Waiting,
)

MAX_EVIDENCE_ENTRIES, MAX_EVIDENCE_NAME, MAX_EVIDENCE_VALUE = 6, 20, 200
"""of one stream"""
MAX_VIDEOS = 1_000_000
"""of a page or a list"""


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
        read_integer(message, "stream", MAX_STREAMS - 1),
        read_flag(message, "finished"),
        read_optional_number(message, "downloaded"),
        read_optional_number(message, "total"),
        read_optional_number(message, "estimate"),
        read_optional_number(message, "fragment"),
        read_optional_number(message, "fragments"),
    )


def _parse_connect_request(message: Message) -> ConnectRequest:
    return ConnectRequest(
        read_integer(message, "id"),
        read_text(message, "host", MAX_HOST),
        read_integer(message, "port"),
        read_number(message, "timeout"),
    )


def _parse_extractors(message: Message) -> Extractors:
    return Extractors(read_texts(message, "extractors", MAX_EXTRACTORS, 200))


def _parse_log_line(message: Message) -> LogLine:
    return LogLine(read_text(message, "text", MAX_TEXT))


def _parse_video_found(message: Message) -> VideoFound:
    streams = message.get("streams")
    if not isinstance(streams, list) or not 0 < len(streams) <= MAX_STREAMS:
        raise InvalidEventError("its streams are none, or too many")
    return VideoFound(
        _parse_identity(message.get("identity")),
        read_text(message, "title", 500),
        read_optional_number(message, "duration"),
        read_text(message, "source", 2000),
        [_parse_stream(stream) for stream in streams],
        read_integer(message, "videos", MAX_VIDEOS) if "videos" in message else 1,
        read_texts(message, "other_urls", MAX_OTHER_URLS, MAX_PAGE_URL) if "other_urls" in message else [],
        read_flag(message, "title_from_url") if "title_from_url" in message else False,
    )


def _parse_identity(value: Any) -> FoundIdentity:
    if not isinstance(value, dict) or not value.keys() <= set(FoundIdentity.__slots__):
        raise InvalidEventError("its identity is none")
    return FoundIdentity(
        read_text(value, "extractor", 200),
        read_text(value, "domain", 300),
        read_text(value, "video_id", MAX_VIDEO_ID),
        read_flag(value, "by_url"),
        read_text(value, "page", MAX_VIDEO_ID) if "page" in value else "",
    )


def _parse_stream(value: Any) -> FoundStream:
    if not isinstance(value, dict):
        raise InvalidEventError("one of its streams is none")
    return FoundStream(read_optional_number(value, "bit_rate"), read_optional_number(value, "bytes"))


def _parse_evidence_found(message: Message) -> EvidenceFound:
    return EvidenceFound(parse_evidence(message.get("evidence")))


def _parse_thumbnail(message: Message) -> Thumbnail:
    return Thumbnail(read_text(message, "file", MAX_FILE_NAME))


def _parse_growing(message: Message) -> Growing:
    return Growing(
        read_text(message, "part", MAX_FILE_NAME),
        read_integer(message, "total"),
        _parse_description(message),
        parse_evidence(message.get("evidence")),
    )


def _parse_description(message: Message) -> FileDescription:
    return FileDescription(
        read_text(message, "file", MAX_FILE_NAME),
        read_text(message, "container", 40),
        read_text(message, "brand", 4),
        read_texts(message, "codecs", MAX_CODECS, 40),
        read_flag(message, "video"),
        read_optional_number(message, "duration"),
    )


def _parse_converting(message: Message) -> Converting:
    return Converting(read_number(message, "written"), read_optional_number(message, "expected"))


def _parse_waiting(message: Message) -> Waiting:
    return Waiting(read_number(message, "seconds"), read_flag(message, "asked"))


def _parse_done(message: Message) -> Done:
    return Done(_parse_description(message), parse_evidence(message.get("evidence")))


def _parse_failed(message: Message) -> Failed:
    try:
        code = ErrorCode(read_text(message, "code", 100))
    except ValueError as error:
        raise InvalidEventError("it fails by no known code") from error
    return Failed(
        code,
        read_text(message, "detail", MAX_TEXT),
        read_optional_number(message, "retry_after"),
        None if message.get("entries") is None else read_integer(message, "entries", MAX_VIDEOS),
        read_integers(message, "lines", MAX_OFFERED, MAX_PIXELS) if "lines" in message else [],
        read_words(message, "containers", MAX_OFFERED, MAX_CONTAINER) if "containers" in message else [],
        read_flag(message, "has_audio"),
        read_word(message, "yt_dlp_version", MAX_VERSION) if "yt_dlp_version" in message else "",
        read_flag(message, "final"),
    )


def _parse_videos_listed(message: Message) -> VideosListed:
    entries = message.get("entries")
    if not isinstance(entries, list) or len(entries) > MAX_LISTED_AT_ONCE:
        raise InvalidEventError(f"its entries are no list of up to {MAX_LISTED_AT_ONCE}")
    return VideosListed(
        [_parse_listed_entry(each) for each in entries],
        read_text(message, "title", MAX_TITLE),
        read_flag(message, "done"),
        read_flag(message, "is_cut"),
    )


def _parse_listed_entry(value: Any) -> ListedEntry:
    if not isinstance(value, dict):
        raise InvalidEventError("one of its entries is none")
    return ListedEntry(
        read_text(value, "url", MAX_LONG_URL),
        read_text(value, "title", MAX_TITLE),
        read_optional_number(value, "duration"),
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
    EVENT_NAMES[Probed]: parse_probed,
    EVENT_NAMES[VideosListed]: _parse_videos_listed,
}
