"""A site: one first-level prefix `/u/<token>` with its own records, gates and counters.

Tests that run side by side each take their own, so none sees another's requests, and no two use the same address.
Test threads and the server's thread meet here, under one condition.
"""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.origin.files import Answer


@dataclass
class Exchange:
    """One request and what became of its answer."""

    number: int
    """Counts up over the whole server."""
    site: str
    connection: int
    """Equal where one connection was kept alive for several requests."""
    method: str
    path: str
    """Without `/u/<token>` and query."""
    target: str
    """As it was sent."""
    headers: dict[str, str]
    """Names in lower case."""
    received: float = field(default_factory=time.monotonic)
    """When its head had arrived; seconds of the clock that all processes of a machine share."""
    status: int = 0
    length: int | None = None
    """Bytes of body the headers announced; None where they named no length."""
    sent: int = 0
    """Bytes of body the kernel took. Up to about 200 kB of them may lie unread in socket buffers."""
    ended: bool = False
    closed_early: bool = False
    """The peer went away before the whole body was sent."""


@dataclass
class Gate:
    """Holds bodies at one point until the test opens it."""

    changed: threading.Condition
    holding: int = 0
    is_open: bool = False
    _waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)

    def open(self) -> None:
        """Let all pass, now and later."""
        with self.changed:
            self.is_open = True
            for loop, event in self._waiters:
                loop.call_soon_threadsafe(event.set)

    def wait_held(self, clients: int = 1, timeout: float = 30) -> None:
        """Return once so many clients have got everything before the gate; TimeoutError where they don't come."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.holding >= clients, timeout):
                raise TimeoutError(f"{self.holding} of {clients} clients at the gate after {timeout} s")

    async def opened(self) -> None:
        """For the server: wait here."""
        waiter = asyncio.get_running_loop(), asyncio.Event()
        with self.changed:
            if self.is_open:
                return
            self._waiters.add(waiter)
            self.holding += 1
            self.changed.notify_all()
        try:
            await waiter[1].wait()
        finally:
            with self.changed:
                self._waiters.discard(waiter)
                self.holding -= 1
                self.changed.notify_all()


@dataclass
class Site:
    base: str
    """The address of its root, without a slash at the end."""
    token: str
    changed: threading.Condition
    _exchanges: list[Exchange] = field(default_factory=list)
    _gates: dict[str, Gate] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, "list[Answer]"] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """The address of a path such as `/media/clip.mp4` on this site."""
        return self.base + path

    def gate(self, name: str) -> Gate:
        with self.changed:
            return self._gates.setdefault(name, Gate(self.changed))

    def put(self, path: str, *answers: "Answer") -> str:
        """Has a path of this site answered so, before all routes: each request by the next one, all further ones by the
        last. The path's address.
        """
        with self.changed:
            self._answers[path] = list(answers)
        return self.url(path)

    def next_answer(self, path: str) -> "Answer | None":
        """For the server: what was put there."""
        with self.changed:
            answers = self._answers.get(path, [])
            return answers.pop(0) if len(answers) > 1 else next(iter(answers), None)

    def mutate(self, key: str) -> int:
        """Change `/mutable/<key>/…`: other content, other validators. The new version's number."""
        return self.count(f"mutable {key}")

    def version(self, key: str) -> int:
        with self.changed:
            return self._counts[f"mutable {key}"]

    def count(self, what: str) -> int:
        """Count one more of these; how many there are now."""
        with self.changed:
            self._counts[what] += 1
            return self._counts[what]

    def requests(self, path: str | None = None) -> list[Exchange]:
        """The exchanges so far, oldest first: all, those of a path, or those below a path that ends with a slash."""
        with self.changed:
            return [replace(one) for one in self._exchanges if _matches(one.path, path)]

    def settled(self, path: str | None = None, timeout: float = 10) -> list[Exchange]:
        """The same, once none is under way: a client that is gone may still be news to the server."""
        with self.changed:
            if not self.changed.wait_for(lambda: all(one.ended for one in self.requests(path)), timeout):
                raise TimeoutError(f"still under way after {timeout} s: {self.requests(path)}")
            return self.requests(path)

    def reset(self) -> None:
        """Forget everything; who waits at a gate is let through."""
        with self.changed:
            for gate in self._gates.values():
                gate.open()
            self._gates.clear()
            self._counts.clear()
            self._answers.clear()
            self._exchanges.clear()

    def record(self, exchange: Exchange) -> None:
        with self.changed:
            self._exchanges.append(exchange)

    def update(self, exchange: Exchange, **values: Any) -> None:
        with self.changed:
            for name, value in values.items():
                setattr(exchange, name, value)
            self.changed.notify_all()


class Sites:
    """All sites of a server, made as they are named. The one named "" is the server's root."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._changed = threading.Condition()  # reentrant, as its lock is an RLock
        self._sites: dict[str, Site] = {}

    def get(self, token: str) -> Site:
        with self._changed:
            if token not in self._sites:
                base = f"{self._root}/u/{token}" if token else self._root
                self._sites[token] = Site(base, token, self._changed)
            return self._sites[token]

    def new(self) -> Site:
        return self.get(secrets.token_hex(6))

    def all(self) -> list[Site]:
        with self._changed:
            return list(self._sites.values())

    def each(self, act: Callable[[Site], None]) -> None:
        for site in self.all():
            act(site)


def _matches(path: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    return path.startswith(wanted) if wanted.endswith("/") else path == wanted
