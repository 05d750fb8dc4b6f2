"""The messages between a worker and its children: orders to a child, events from it.

The child builds its events from these classes. The worker does not trust it, and parses what arrives in
event_parser.py.

Standard library only: the zygote loads this beside yt-dlp, the parent beside arq.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.probes import Probe

Message = Mapping[str, Any]

MAX_STREAMS = 8
"""of one video"""
MAX_EXTRACTORS = 256
MAX_HOST = 2000
"""characters of a host name. The broker refuses names beyond 253 with an answer; beyond this the request is invalid."""
MAX_TEXT = 2000
"""characters of a log line or of a failure's detail"""
MAX_FILE_NAME = 255
MAX_VIDEO_ID = 16_000
"""characters; where a site has no ids, the URL stands in its place"""
MAX_CODECS = 16
MAX_OFFERED = 32
"""sizes or containers of the formats that a video has"""
MAX_CONTAINER, MAX_VERSION = 8, 40
"""characters"""
MAX_TITLE = 500
MAX_NAME = 200
"""characters of another text of a probe: an uploader, a codec, a language, the title of a chapter"""
MAX_PAGE_URL = 2048
"""characters of the URL of an entry or a thumbnail, as of a URL that a caller sends"""
MAX_LONG_URL = 4096
"""characters of the URL of an entry that a batch is made of. The job of one beyond MAX_PAGE_URL fails."""
MAX_LISTED_AT_ONCE = 50
"""entries in one message"""
MAX_PIXELS = 100_000
MAX_YEARS = 150
MAX_LISTED = 10_000_000
"""entries of a list that may be told of"""
MAX_WALKED = 5000
"""videos of a list that are read, those included that nobody has asked for"""
NUMBER_LIMIT: Final = 2**53
"""Every number is below it, so that JSON parsers everywhere can read it exactly."""


def number_or_none(value: Any) -> float | None:
    """The value if it is a finite number from 0 to below NUMBER_LIMIT, otherwise None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < NUMBER_LIMIT else None


# Orders.


SHORTEST_SECRET = 8
"""Characters of a cookie's value that is kept out of what the child tells. Shorter ones, such as `en`, are parts of
words."""


class Cookie(NamedTuple):
    """A cookie of the child's own site. Its value is a secret, so the text of one leaves it out."""

    domain: str
    """with a dot before it where it is for subdomains too"""
    path: str
    secure: bool
    expires: int | None
    """seconds since 1970; None: never"""
    name: str
    value: str

    def __repr__(self) -> str:
        return f"Cookie({self.name} of {self.domain})"


class Pacing(NamedTuple):
    """The pauses between the requests of a child, until it has found the video."""

    sleep: float
    """seconds of one pause"""
    total: float
    """seconds that all pauses of one extraction may take"""


NO_PACING = Pacing(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class DownloadOrder:
    """The first order: which URL to download, and the limits."""

    url: str
    format: str
    """in its canonical form"""
    max_duration: float
    """seconds"""
    max_bytes: int
    stall_seconds: float
    extraction_stall_seconds: float | None = None
    """None: the same"""
    cookies: tuple[Cookie, ...] = ()
    pacing: Pacing = NO_PACING
    user_agent: str = ""
    """empty: yt-dlp's"""
    impersonate: str = ""
    """the browser that all requests impersonate, as yt-dlp names it, such as `chrome`; empty: as extractors ask"""

    def to_message(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class LookPurpose(StrEnum):
    """What a child looks for at a URL."""

    PROBE = "probe"
    """one document of what is there: a Probed event"""
    LIST = "list"
    """the entries of a list in its order: VideosListed events, of which the last one says so"""


@dataclass(frozen=True, slots=True)
class LookOrder:
    """The first order to a child that only looks, and downloads nothing. No other order follows."""

    look: LookPurpose
    url: str
    format: str
    """in its canonical form: the choice is of it"""
    stall_seconds: float
    items: str = ""
    """of a list: the places that are asked for, as contract/batches.py reads them; empty: all"""
    most: int = 0
    """of a list: the most entries"""
    newest_first: bool = False
    """of a list: in the order of the dates instead of the list's"""
    cookies: tuple[Cookie, ...] = ()
    pacing: Pacing = NO_PACING
    user_agent: str = ""
    """empty: yt-dlp's"""
    impersonate: str = ""
    """the browser that all requests impersonate, as yt-dlp names it, such as `chrome`; empty: as extractors ask"""

    def to_message(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EvidenceOrder:
    """After `found`: report the evidence of the present content, to be compared with a stored object's."""

    def to_message(self) -> dict[str, Any]:
        return {"ask": True}


@dataclass(frozen=True, slots=True)
class GoOrder:
    """After `found`: download the video."""

    fragments: int = 1
    """how many to fetch at once"""
    growing: bool = False
    """whether to report a file that can be uploaded while it grows"""

    def to_message(self) -> dict[str, Any]:
        return {"go": True, "fragments": self.fragments, "growing": self.growing}


@dataclass(frozen=True, slots=True)
class StopOrder:
    """After `found`: stop, the video is in the bucket already."""

    def to_message(self) -> dict[str, Any]:
        return {"go": False}


Order = DownloadOrder | LookOrder | EvidenceOrder | GoOrder | StopOrder


def parse_order(message: Message) -> Order:
    """The order in a message. Only the child calls this, and it trusts its worker."""
    if "url" in message:
        cookies = tuple(Cookie(*each) for each in message["cookies"])
        members = {**message, "cookies": cookies, "pacing": Pacing(*message["pacing"])}
        if "look" in message:
            return LookOrder(**{**members, "look": LookPurpose(message["look"])})
        return DownloadOrder(**members)
    if message.get("ask"):
        return EvidenceOrder()
    return GoOrder(message.get("fragments", 1), message.get("growing", False)) if message["go"] else StopOrder()


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The answer to a ConnectRequest. Without an error, the connected socket is sent along with it."""

    id: int
    error: str = ""
    forbidden: bool = False
    timed_out: bool = False

    def to_message(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


# Events.


@dataclass(slots=True)
class ConnectRequest:
    """The child asks for a connection. The answer carries the same id."""

    id: int
    host: str
    port: int
    timeout: float
    """seconds"""


@dataclass(slots=True)
class Extractors:
    """The extractors that suit the URL, sent before the first ConnectRequest: children/identity.py says why."""

    extractors: list[str]


@dataclass(slots=True)
class LogLine:
    """A line of yt-dlp's log."""

    text: str


@dataclass(slots=True)
class FoundIdentity:
    """Which video it is, in the terms of contract/identity.py."""

    extractor: str
    domain: str
    video_id: str
    by_url: bool
    page: str = ""


@dataclass(slots=True)
class FoundStream:
    """What is known of one stream that will be fetched."""

    bit_rate: float | None = None
    """kbit/s"""
    bytes: float | None = None


@dataclass(slots=True)
class VideoFound:
    """The extraction is done. The child waits for its next order."""

    identity: FoundIdentity
    title: str
    duration: float | None
    """seconds"""
    source: str
    streams: list[FoundStream]
    videos: int = 1
    """how many the page has"""
    other_urls: list[str] = field(default_factory=list)
    """of the others, in the page's order"""
    title_from_url: bool = False
    """whether nothing but the URL names the video"""


Evidence = list[dict[str, str]] | None
"""Of each stream, what shows later whether its content has changed: HTTP validators or digests (upload/evidence.py)."""


@dataclass(slots=True)
class EvidenceFound:
    """The answer to an EvidenceOrder."""

    evidence: Evidence


@dataclass(slots=True)
class Thumbnail:
    """The video's thumbnail is in the folder."""

    file: str


@dataclass(slots=True)
class Progress:
    """How far the download of one stream is."""

    stream: int
    """its index in VideoFound.streams"""
    finished: bool = False
    downloaded: float | None = None
    """bytes"""
    total: float | None = None
    """bytes, as the server states"""
    estimate: float | None = None
    """bytes, where the server states no length"""
    fragment: float | None = None
    """fragments that have arrived, and the parts of others that have"""
    fragments: float | None = None
    """all of them"""


@dataclass(slots=True)
class FileDescription:
    """A file as ffprobe describes it."""

    file: str
    """its final name"""
    container: str
    """ffmpeg's demuxer"""
    brand: str
    codecs: list[str]
    video: bool
    duration: float | None
    """seconds"""


@dataclass(slots=True)
class Growing:
    """A file grows in the folder that nothing will rewrite: what is there may be uploaded already."""

    part: str
    """its present name"""
    total: int
    """bytes, as the server states"""
    description: FileDescription
    evidence: Evidence


@dataclass(slots=True)
class Converting:
    """ffmpeg is writing a file."""

    written: float
    """bytes"""
    expected: float | None
    """bytes, None where it is unknown"""


@dataclass(slots=True)
class Waiting:
    """No byte will come for some time: before another try, or because the site asked for a pause."""

    seconds: float
    asked: bool
    """whether the site asked for it"""


@dataclass(slots=True)
class Done:
    """The file is complete."""

    description: FileDescription
    evidence: Evidence


@dataclass(slots=True)
class Failed:
    """The download has failed."""

    code: ErrorCode
    detail: str
    retry_after: float | None = None
    """seconds, where the site asked for a pause"""
    entries: int | None = None
    """of a list, where they were counted"""
    lines: list[int] = field(default_factory=list)
    """the sizes of the pictures that the video has, where it lacks the requested format"""
    containers: list[str] = field(default_factory=list)
    """and the containers"""
    has_audio: bool = False
    """and whether it has sound as a stream of its own"""
    yt_dlp_version: str = ""
    final: bool = False
    """whether another attempt would not help, whatever the code says"""


@dataclass(slots=True)
class Probed:
    """The answer to a LookOrder for a probe, and the child's last event."""

    probe: Probe


@dataclass(slots=True)
class ListedEntry:
    """An entry of a list."""

    url: str
    """empty where the list names none"""
    title: str
    """empty where it is unknown"""
    duration: float | None
    """seconds"""


@dataclass(slots=True)
class VideosListed:
    """Some of the answer to a LookOrder for a list: the next entries."""

    entries: list[ListedEntry]
    title: str
    """the list's; empty where it is unknown"""
    done: bool = False
    """whether these are the last ones"""
    is_cut: bool = False
    """whether the list goes on where a child stops reading; told with the last ones"""


Event = (
    ConnectRequest | Extractors | LogLine | VideoFound | EvidenceFound | Thumbnail | Progress | Growing | Converting
    | Waiting | Done | Failed | Probed | VideosListed
)  # fmt: skip
Report = (
    VideoFound | EvidenceFound | Thumbnail | Progress | Growing | Converting | Waiting | Done | Failed | Probed
    | VideosListed
)  # fmt: skip
"""The events about the download or the look itself. The others are handled where the child's messages are read."""


def to_message(event: Event) -> dict[str, Any]:
    """The message for an event, as the child sends it."""
    return {"event": EVENT_NAMES[type(event)], **_to_members(event)}


def _to_members(record: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name in record.__slots__:
        value = getattr(record, name)
        if isinstance(value, FileDescription):
            members |= _to_members(value)
        elif isinstance(value, FoundIdentity):
            members[name] = _to_members(value)
        elif isinstance(value, Probe):
            members[name] = asdict(value)
        elif isinstance(value, list):
            members[name] = [
                _to_members(each) if isinstance(each, FoundStream | ListedEntry) else each for each in value
            ]
        else:
            members[name] = value
    return members


EVENT_NAMES: dict[type[Event], str] = {
    Progress: "progress",
    ConnectRequest: "connect",
    Extractors: "extractors",
    LogLine: "log",
    VideoFound: "found",
    EvidenceFound: "evidence",
    Thumbnail: "thumbnail",
    Growing: "growing",
    Converting: "converting",
    Waiting: "waiting",
    Done: "done",
    Failed: "failed",
    Probed: "probed",
    VideosListed: "listed",
}
