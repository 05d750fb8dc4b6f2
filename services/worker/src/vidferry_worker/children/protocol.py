"""What a worker and its children say to each other: orders to a child, events from it.

A child is not trusted. Its messages are parsed here, once, and nowhere else: what is no valid event ends the child, and
nothing of a message is kept but what its event names. The child makes its events of the same classes.

Standard library only: the zygote loads this beside yt-dlp, the parent beside arq.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vidferry_common.contract.errors import ErrorCode

Message = Mapping[str, Any]

MOST_STREAMS = 8
"""of one video"""
MAX_EXTRACTORS = 256
MAX_HOST = 2000
"""characters; longer ones than the broker takes are answered, these alone are no request"""
MAX_TEXT = 2000
"""characters of the log, and of what a failure is told by"""
MAX_FILE_NAME = 255
MAX_ADDRESS = 16_000
"""characters of an address that takes the place of an id"""
MOST_CODECS = 16
LARGEST: Final = 2**53
"""a figure is below it, as JSON's are everywhere"""


class InvalidEventError(Exception):
    """A child has said what is no event."""


def figure(value: Any) -> float | None:
    """A figure that may be told; None of what is none: below nothing, without end, or no number at all."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_one and 0 <= value < LARGEST else None


# Orders.


@dataclass(frozen=True, slots=True)
class DownloadOrder:
    """The first: what to look for, and what it may take."""

    url: str
    format: str
    """canonical"""
    max_duration: float
    """seconds"""
    max_bytes: int
    stall_seconds: float

    def to_message(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EvidenceOrder:
    """After `found`: ask whether the origin still has what it had."""

    def to_message(self) -> dict[str, Any]:
        return {"ask": True}


@dataclass(frozen=True, slots=True)
class GoOrder:
    """After `found`: download it."""

    fragments: int = 1
    """fetched at once"""
    growing: bool = False
    """whether to tell of a file that grows"""

    def to_message(self) -> dict[str, Any]:
        return {"go": True, "fragments": self.fragments, "growing": self.growing}


@dataclass(frozen=True, slots=True)
class StopOrder:
    """After `found`: it is in the bucket already."""

    def to_message(self) -> dict[str, Any]:
        return {"go": False}


Order = DownloadOrder | EvidenceOrder | GoOrder | StopOrder


def parse_order(message: Message) -> Order:
    """For the child, which trusts its worker."""
    if "url" in message:
        return DownloadOrder(**message)
    if message.get("ask"):
        return EvidenceOrder()
    return GoOrder(message.get("fragments", 1), message.get("growing", False)) if message["go"] else StopOrder()


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """To a ConnectRequest; without an error the connection goes along with it."""

    id: int
    error: str = ""
    forbidden: bool = False
    timed_out: bool = False

    def to_message(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


# Events.


@dataclass(slots=True)
class ConnectRequest:
    """It asks for a connection; answered under the same number."""

    id: int
    host: str
    port: int
    timeout: float
    """seconds"""


@dataclass(slots=True)
class Extractors:
    """The extractors of the URL's site, told before the first ConnectRequest: children/identity.py says why."""

    extractors: list[str]


@dataclass(slots=True)
class LogLine:
    """A line of yt-dlp's log."""

    text: str


@dataclass(slots=True)
class FoundIdentity:
    """Which video it is, as contract/identity.py names one."""

    extractor: str
    domain: str
    video_id: str
    by_url: bool
    page: str = ""


@dataclass(slots=True)
class FoundStream:
    """One stream that will be fetched."""

    bit_rate: float | None = None
    """kbit/s"""
    bytes: float | None = None


@dataclass(slots=True)
class Found:
    """Its extraction is done: what there is. It waits for an order."""

    identity: FoundIdentity
    title: str
    duration: float | None
    """seconds"""
    source: str
    streams: list[FoundStream]


Evidence = list[dict[str, str]] | None
"""By what the origin knows each stream again; None where it tells nothing (upload/evidence.py)"""


@dataclass(slots=True)
class EvidenceFound:
    """The answer to an EvidenceOrder."""

    evidence: Evidence


@dataclass(slots=True)
class Thumbnail:
    """The video's picture is in the folder."""

    file: str


@dataclass(slots=True)
class Progress:
    """How far one stream is."""

    stream: int
    """by its place in Found.streams"""
    finished: bool = False
    downloaded: float | None = None
    """bytes"""
    total: float | None = None
    """bytes, as its server tells"""
    estimate: float | None = None
    """bytes, where no server tells"""
    fragment: float | None = None
    """fragments that are here, with what is under way of others"""
    fragments: float | None = None
    """all of them"""


@dataclass(slots=True)
class FileDescription:
    """A file as ffprobe describes it."""

    file: str
    """its name, in the end"""
    container: str
    """ffmpeg's demuxer"""
    brand: str
    codecs: list[str]
    video: bool
    duration: float | None
    """seconds"""


@dataclass(slots=True)
class Growing:
    """A file that nothing will rewrite grows in the folder: what is there may be uploaded."""

    part: str
    """its name for now"""
    total: int
    """bytes, as its server tells"""
    description: FileDescription
    evidence: Evidence


@dataclass(slots=True)
class Converting:
    """ffmpeg writes."""

    written: float
    """bytes"""
    expected: float | None
    """bytes, None where they can't be told"""


@dataclass(slots=True)
class Waiting:
    """No byte will come for so long: before another try, or because the site has asked for a pause."""

    seconds: float
    asked: bool
    """by the site"""


@dataclass(slots=True)
class Done:
    """The file is whole."""

    description: FileDescription
    evidence: Evidence


@dataclass(slots=True)
class Failed:
    """The download has failed."""

    code: ErrorCode
    detail: str
    retry_after: float | None = None
    """seconds, where the site asked for a pause"""


Event = (
    ConnectRequest | Extractors | LogLine | Found | EvidenceFound | Thumbnail | Progress | Growing | Converting
    | Waiting | Done | Failed
)  # fmt: skip
Report = Found | EvidenceFound | Thumbnail | Progress | Growing | Converting | Waiting | Done | Failed
"""What is told of the download itself"""


def to_message(event: Event) -> dict[str, Any]:
    """For the child."""
    return {"event": _KINDS[type(event)], **_members(event)}


def _members(record: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name in record.__slots__:
        value = getattr(record, name)
        if isinstance(value, FileDescription):
            members |= _members(value)
        elif isinstance(value, FoundIdentity):
            members[name] = _members(value)
        elif isinstance(value, list):
            members[name] = [_members(each) if isinstance(each, FoundStream) else each for each in value]
        else:
            members[name] = value
    return members


def parse_event(message: Message) -> Event:
    """For the worker; InvalidEventError."""
    kind = message.get("event")
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None:
        raise InvalidEventError("it is of no known kind")
    return parse(message)


def _parse_progress(message: Message) -> Progress:
    return Progress(
        _integer(message, "stream", MOST_STREAMS - 1),
        _flag(message, "finished"),
        _figure(message, "downloaded"),
        _figure(message, "total"),
        _figure(message, "estimate"),
        _figure(message, "fragment"),
        _figure(message, "fragments"),
    )


def _parse_connect(message: Message) -> ConnectRequest:
    return ConnectRequest(
        _integer(message, "id"), _text(message, "host", MAX_HOST), _integer(message, "port"), _known(message, "timeout")
    )


def _parse_extractors(message: Message) -> Extractors:
    return Extractors(_texts(message, "extractors", MAX_EXTRACTORS, 200))


def _parse_found(message: Message) -> Found:
    told, streams = message.get("identity"), message.get("streams")
    if not isinstance(told, dict) or not told.keys() <= set(FoundIdentity.__slots__):
        raise InvalidEventError("its identity is none")
    if not isinstance(streams, list) or not 0 < len(streams) <= MOST_STREAMS:
        raise InvalidEventError("its streams are none, or too many")
    identity = FoundIdentity(
        _text(told, "extractor", 200), _text(told, "domain", 300), _text(told, "video_id", MAX_ADDRESS),
        _flag(told, "by_url"), _text(told, "page", MAX_ADDRESS) if "page" in told else "",
    )  # fmt: skip
    return Found(
        identity, _text(message, "title", 500), _figure(message, "duration"), _text(message, "source", 2000),
        [_parse_stream(stream) for stream in streams],
    )  # fmt: skip


def _parse_stream(told: Any) -> FoundStream:
    if not isinstance(told, dict):
        raise InvalidEventError("one of its streams is none")
    return FoundStream(_figure(told, "bit_rate"), _figure(told, "bytes"))


def _parse_description(message: Message) -> FileDescription:
    return FileDescription(
        _text(message, "file", MAX_FILE_NAME), _text(message, "container", 40), _text(message, "brand", 4),
        _texts(message, "codecs", MOST_CODECS, 40), _flag(message, "video"), _figure(message, "duration"),
    )  # fmt: skip


def _parse_growing(message: Message) -> Growing:
    total = _integer(message, "total")
    return Growing(_text(message, "part", MAX_FILE_NAME), total, _parse_description(message), _evidence(message))


def _parse_failed(message: Message) -> Failed:
    try:
        code = ErrorCode(_text(message, "code", 100))
    except ValueError as error:
        raise InvalidEventError("it fails by no known code") from error
    return Failed(code, _text(message, "detail", MAX_TEXT), _figure(message, "retry_after"))


_PARSERS: dict[str, Callable[[Message], Event]] = {
    "progress": _parse_progress,
    "connect": _parse_connect,
    "extractors": _parse_extractors,
    "log": lambda message: LogLine(_text(message, "text", MAX_TEXT)),
    "found": _parse_found,
    "evidence": lambda message: EvidenceFound(_evidence(message)),
    "thumbnail": lambda message: Thumbnail(_text(message, "file", MAX_FILE_NAME)),
    "growing": _parse_growing,
    "converting": lambda message: Converting(_known(message, "written"), _figure(message, "expected")),
    "waiting": lambda message: Waiting(_known(message, "seconds"), _flag(message, "asked")),
    "done": lambda message: Done(_parse_description(message), _evidence(message)),
    "failed": _parse_failed,
}
_KINDS: dict[type[Event], str] = {
    Progress: "progress",
    ConnectRequest: "connect",
    Extractors: "extractors",
    LogLine: "log",
    Found: "found",
    EvidenceFound: "evidence",
    Thumbnail: "thumbnail",
    Growing: "growing",
    Converting: "converting",
    Waiting: "waiting",
    Done: "done",
    Failed: "failed",
}


def parse_evidence(told: Any) -> Evidence:
    """Of a message, or of an object's metadata; InvalidEventError."""
    if told is None:
        return None
    if not isinstance(told, list) or len(told) > MOST_STREAMS:
        raise InvalidEventError("its evidence is none")
    for stream in told:
        if not isinstance(stream, dict) or len(stream) > MOST_FACTS:
            raise InvalidEventError("its evidence of a stream is none")
        for name, value in stream.items():
            if len(name) > MAX_FACT_NAME or not isinstance(value, str) or len(value) > MAX_FACT:
                raise InvalidEventError("its evidence of a stream is too long, or no text")
    return told


MOST_FACTS, MAX_FACT_NAME, MAX_FACT = 6, 20, 200
"""of one stream's evidence"""


def _evidence(message: Message) -> Evidence:
    return parse_evidence(message.get("evidence"))


def _text(message: Message, name: str, most: int) -> str:
    value = message.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise InvalidEventError(f"{name} is no text of up to {most} characters")
    return value


def _texts(message: Message, name: str, most: int, longest: int) -> list[str]:
    value = message.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise InvalidEventError(f"{name} is no list of up to {most}")
    if not all(isinstance(each, str) and len(each) <= longest for each in value):
        raise InvalidEventError(f"one of {name} is no text of up to {longest} characters")
    return value


def _flag(message: Message, name: str) -> bool:
    value = message.get(name, False)
    if value is not True and value is not False:
        raise InvalidEventError(f"{name} is neither true nor false")
    return value


def _integer(message: Message, name: str, most: int = LARGEST - 1) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= most:
        raise InvalidEventError(f"{name} is no whole number from 0 to {most}")
    return value


def _figure(message: Message, name: str) -> float | None:
    """One that may be unknown."""
    value = message.get(name)
    if value is None:
        return None
    kind = type(value)
    if (kind is int or kind is float) and 0 <= value < LARGEST:
        return value  # type: ignore[no-any-return]
    raise InvalidEventError(f"{name} is no figure")


def _known(message: Message, name: str) -> float:
    value = _figure(message, name)
    if value is None:
        raise InvalidEventError(f"{name} is missing")
    return value
