"""Failures on order: what to match, what happens, how often. A service's layer has the words for its calls."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """A request as faults see it."""

    method: str
    target: str
    kind: str
    """what it is about; gcs_faults.kind_of and s3_faults.kind_of list the words"""


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
    """What befalls a request. The last four are for S3."""

    matches: Callable[[Call], bool]
    status: int | None = None
    after: bool = False
    """the request is carried out, and only its reply is lost, or held"""
    keep: int | None = None
    """of a chunk, so many bytes are kept before it fails; of a body that is cut, so many are read"""
    corrupt: bool = False
    """the stored bytes differ from the sent ones"""
    gate: Gate | None = None
    times: int = 1
    code: str = ""
    """the error's name, beside the status"""
    cut: bool = False
    """the connection breaks: amid the request's body, or after the work instead of the reply"""
    inside: bool = False
    """the status is 200 all the same, and the error stands in the reply's body"""
    twice: bool = False
    """the request arrives a second time, after its reply"""


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
