"""What the gateway counts. Its hot paths add to plain integers here; a scrape reads them.

A message's latency is taken once, at the end of the flush that wrote it to its watchers, and counts once for each:
so it costs what a published message costs, however many watch. It is that of the last watcher.
"""

import time

from vidferry_common.metrics import Registry, catalogue


class Traffic:
    """A gateway's figures."""

    __slots__ = ("_closed", "_latency", "_owed", "closed", "connections", "held", "joins", "opened", "received", "sent")

    def __init__(self, registry: Registry) -> None:
        self.opened = self.closed = self.joins = self.received = self.sent = self.held = self.connections = 0
        self._closed = registry.counter(catalogue.SOCKETS_CLOSED)
        self._latency = registry.histogram(catalogue.MESSAGE_LATENCY).of()
        self._owed: list[tuple[float, int]] = []
        registry.reading(catalogue.SOCKETS, lambda: self.opened - self.closed)
        registry.reading(catalogue.SOCKETS_OPENED, lambda: self.opened)
        registry.reading(catalogue.JOINS, lambda: self.joins)
        registry.reading(catalogue.MESSAGES_RECEIVED, lambda: self.received)
        registry.reading(catalogue.MESSAGES_SENT, lambda: self.sent)
        registry.reading(catalogue.MESSAGES_HELD, lambda: self.held)
        registry.reading(catalogue.REDIS_CONNECTIONS, lambda: self.connections)

    def gone(self, code: int) -> None:
        """A socket that was opened, with the close code that came first."""
        self.closed += 1
        self._closed.add(str(code))

    def owes(self, stamp: float | None, watchers: int) -> None:
        """A message of that time (Unix, seconds) leaves for so many with the next flush."""
        if stamp is not None and watchers:
            self._owed.append((stamp, watchers))

    def flushed(self) -> None:
        """All that was owed has been written."""
        if self._owed:
            now = time.time()
            for stamp, watchers in self._owed:
                # Two clocks: where the worker's is ahead, there is no latency to be seen.
                self._latency.observe(max(0.0, now - stamp), watchers)
            self._owed.clear()
