"""What the gateway counts. Its hot paths add to plain integers here; a scrape reads them.

A message's latency is taken once, at the end of the flush that wrote it to its watchers, and counts once for each:
so it costs what a published message costs, however many watch. It is that of the last watcher.
"""

from datetime import UTC, datetime

from vidferry_common.metrics import NegativeLatencies, Registry, catalogue


class GatewayMetrics:
    """The counters of a gateway."""

    __slots__ = (
        "_closed",
        "_delivered",
        "_latency",
        "_lost",
        "_negative",
        "clock_offset",
        "connections_closed",
        "connections_opened",
        "joins",
        "messages_held",
        "messages_received",
        "messages_sent",
        "redis_connections",
    )

    def __init__(self, registry: Registry) -> None:
        self.connections_opened = self.connections_closed = self.redis_connections = self.joins = 0
        self.messages_received = self.messages_sent = self.messages_held = 0
        self._closed = registry.add_counter(catalogue.SOCKETS_CLOSED)
        self._lost = registry.add_counter(catalogue.REDIS_LOST)
        self._latency = registry.add_histogram(catalogue.MESSAGE_LATENCY).series_of()
        self.clock_offset = registry.clock_offset
        self._negative = NegativeLatencies(
            registry.add_counter(catalogue.NEGATIVE_LATENCIES),
            self.clock_offset,
            "messages are from the future: a worker's clock is ahead of this gateway's",
        )
        self._delivered: dict[bytes, int] = {}
        """the timestamps of the messages that leave with the next flush, and for how many watchers"""
        registry.add_reading(catalogue.SOCKETS, lambda: self.connections_opened - self.connections_closed)
        registry.add_reading(catalogue.SOCKETS_OPENED, lambda: self.connections_opened)
        registry.add_reading(catalogue.JOINS, lambda: self.joins)
        registry.add_reading(catalogue.MESSAGES_RECEIVED, lambda: self.messages_received)
        registry.add_reading(catalogue.MESSAGES_SENT, lambda: self.messages_sent)
        registry.add_reading(catalogue.MESSAGES_HELD, lambda: self.messages_held)
        registry.add_reading(catalogue.REDIS_CONNECTIONS, lambda: self.redis_connections)

    def connection_closed(self, code: int) -> None:
        """Counts the end of a client's connection, with the close code that came first."""
        self.connections_closed += 1
        self._closed.add(str(code))

    def redis_connection_lost(self, reason: catalogue.RedisLoss) -> None:
        """Counts a loss of the connection to Redis."""
        self._lost.add(reason)

    def note_delivery(self, timestamp: bytes, watchers: int) -> None:
        """Remembers that a message leaves with the next flush. Those of one millisecond are as late as each other."""
        self._delivered[timestamp] = self._delivered.get(timestamp, 0) + watchers

    def observe_latencies(self) -> None:
        """The flush has written all of them: how late they are is known now."""
        if not self._delivered:
            return
        now, observe = utc_now(), self._latency.observe
        for timestamp, watchers in self._delivered.items():
            try:
                late = (now - datetime.fromisoformat(timestamp.decode())).total_seconds()
            except (ValueError, TypeError):
                continue  # another publisher's
            if late >= 0:
                observe(late, watchers)
            else:
                self._negative.add(-late, watchers)
        self._delivered.clear()


def utc_now() -> datetime:
    """A difference of two datetimes costs less than either's Unix time."""
    return datetime.now(UTC)
