"""What the gateway counts. Its hot paths add to plain integers here; a scrape reads them.

A message's latency is taken once, at the end of the flush that wrote it to its watchers, and counts once for each:
so it costs what a published message costs, however many watch. It is that of the last watcher.
"""

from datetime import UTC, datetime

from vidferry_common.metrics import NegativeLatencies, Registry, catalogue


class Traffic:
    """A gateway's figures."""

    __slots__ = (
        "_closed",
        "_latency",
        "_lost",
        "_negative",
        "_owed",
        "clock_offset",
        "closed",
        "connections",
        "held",
        "joins",
        "opened",
        "owed",
        "received",
        "sent",
    )

    def __init__(self, registry: Registry) -> None:
        self.opened = self.closed = self.joins = self.received = self.sent = self.held = self.connections = 0
        self._closed = registry.counter(catalogue.SOCKETS_CLOSED)
        self._lost = registry.counter(catalogue.REDIS_LOST)
        self._latency = registry.histogram(catalogue.MESSAGE_LATENCY).of()
        self.clock_offset = registry.clock_offset
        self._negative = NegativeLatencies(
            registry.counter(catalogue.NEGATIVE_LATENCIES),
            self.clock_offset,
            "messages are from the future: a worker's clock is ahead of this gateway's",
        )
        self._owed: dict[bytes, int] = {}
        """the timestamps of the messages that leave with the next flush, and for how many watchers"""
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

    def lost(self, reason: catalogue.RedisLoss) -> None:
        """The connection to Redis."""
        self._lost.add(reason)

    def owe(self, timestamp: bytes, watchers: int) -> None:
        """A message leaves with the next flush. Those of one millisecond are as late as each other."""
        self._owed[timestamp] = self._owed.get(timestamp, 0) + watchers

    def flushed(self) -> None:
        """All that was owed has been written."""
        if not self._owed:
            return
        now, observe = utc_now(), self._latency.observe
        for timestamp, watchers in self._owed.items():
            try:
                late = (now - datetime.fromisoformat(timestamp.decode())).total_seconds()
            except (ValueError, TypeError):
                continue  # another publisher's
            if late >= 0:
                observe(late, watchers)
            else:
                self._negative.add(-late, watchers)
        self._owed.clear()


def utc_now() -> datetime:
    """A difference of two datetimes costs less than either's Unix time."""
    return datetime.now(UTC)
