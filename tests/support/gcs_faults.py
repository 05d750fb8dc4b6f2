"""Failures on order: what to match, what happens, how often."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

OBJECT = "/storage/v1/b/"
UPLOAD = "/upload/storage/v1/b/"
MEDIA = "/download/storage/v1/b/"
SIGN = "/v1/projects/-/serviceAccounts/"
METADATA = "/computeMetadata/v1/"

_KINDS = {MEDIA: "media", SIGN: "sign", METADATA: "token"}


@dataclass(frozen=True)
class Call:
    """A request as faults see it."""

    method: str
    target: str
    kind: str
    """begin, chunk, last (a chunk that completes), query, abort; read, delete, list, bucket, media, link;
    token, sign"""


def kind_of(method: str, target: str, content_range: str) -> str:
    """What a request is about; Call.kind lists the words."""
    path = urlsplit(target).path
    if path.startswith(UPLOAD):
        return {"POST": "begin", "DELETE": "abort"}.get(method) or _part(content_range)
    if path.startswith(OBJECT):
        if method != "GET":
            return method.lower()
        return "bucket" if "/o" not in path else "list" if path.endswith("/o") else "read"
    if path == "/":  # how google-auth looks for a metadata server
        return "token"
    return next((kind for prefix, kind in _KINDS.items() if path.startswith(prefix)), "link")


def _part(content_range: str) -> str:
    span, _, total = content_range.partition("/")
    if span.startswith("bytes *"):
        return "last" if total == "0" else "query"
    return "last" if total != "*" and span.partition("-")[2] == str(int(total) - 1) else "chunk"


@dataclass
class Gate:
    """Holds requests until opened; tests wait for reached instead of sleeping."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        self.opened.set()

    def hold(self) -> None:
        """For the service: wait here."""
        self.reached.set()
        self.opened.wait()


@dataclass
class Fault:
    matches: Callable[[Call], bool]
    status: int | None = None
    after: bool = False
    """the request is carried out, and only its reply is lost, or held"""
    keep: int | None = None
    """of a chunk, so many bytes are kept before it fails"""
    corrupt: bool = False
    """the stored bytes differ from the sent ones"""
    gate: Gate | None = None
    times: int = 1


class Faults:
    """Thread-safe; a fault is used up after its times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, *kinds: str, **what: object) -> None:
        self.put(Fault(lambda call: call.kind in kinds, **what))  # type: ignore[arg-type]

    def put(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def hold(self, *kinds: str, after: bool = False) -> Gate:
        gate = Gate()
        self.add(*kinds, gate=gate, after=after)
        return gate

    def clear(self) -> None:
        with self._lock:
            for fault in self._waiting:
                if fault.gate:
                    fault.gate.open()
            self._waiting.clear()

    def take(self, call: Call) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.matches(call):
                    fault.times -= 1
                    if fault.times == 0:
                        self._waiting.remove(fault)
                    return fault
        return None
