"""The gateway's metrics. Hot paths add to plain integers, which a scrape reads.

The latency of a message is measured once, at the end of the flush that wrote it to its watchers, and counts once for
each of them. So measuring costs the same however many clients watch, and the latency is that of the last one.
"""

from datetime import UTC, datetime

from vidferry_common.metrics import NegativeLatencies, Registry, catalogue


class GatewayMetrics:
    """The counters and the latency histogram of a gateway."""

    __slots__ = (
        "_closed",
        "_delivered",
        "_latency",
        "_lost",
        "_negative",
        "_traces",
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
        """for each timestamp of the messages in the next flush, the number of watchers"""
        self._traces: dict[bytes, str] = {}
        """for each of these timestamps, the id of a trace, if one is recorded"""
        registry.add_reading(catalogue.SOCKETS, lambda: self.connections_opened - self.connections_closed)
        registry.add_reading(catalogue.SOCKETS_OPENED, lambda: self.connections_opened)
        registry.add_reading(catalogue.JOINS, lambda: self.joins)
        registry.add_reading(catalogue.MESSAGES_RECEIVED, lambda: self.messages_received)
        registry.add_reading(catalogue.MESSAGES_SENT, lambda: self.messages_sent)
        registry.add_reading(catalogue.MESSAGES_HELD, lambda: self.messages_held)
        registry.add_reading(catalogue.REDIS_CONNECTIONS, lambda: self.redis_connections)

    def connection_closed(self, code: int) -> None:
        """Counts the end of a client's connection by the close code that came first."""
        self.connections_closed += 1
        self._closed.add(str(code))

    def redis_connection_lost(self, reason: catalogue.RedisLoss) -> None:
        """Counts a loss of the connection to Redis."""
        self._lost.add(reason)

    def note_delivery(self, timestamp: bytes, watchers: int, trace: str = "") -> None:
        """Remembers a message of the next flush. Messages with the same timestamp share one entry.

        trace: the id of the message's trace, if that is recorded.
        """
        self._delivered[timestamp] = self._delivered.get(timestamp, 0) + watchers
        if trace:
            self._traces[timestamp] = trace

    def observe_latencies(self) -> None:
        """Records the latencies of the messages that the flush has just written."""
        if not self._delivered:
            return
        now, observe, traces = utc_now(), self._latency.observe, self._traces
        for timestamp, watchers in self._delivered.items():
            try:
                latency = (now - datetime.fromisoformat(timestamp.decode())).total_seconds()
            except (ValueError, TypeError):
                continue  # a timestamp of another publisher
            if latency >= 0:
                observe(latency, watchers, traces.get(timestamp, ""))
            else:
                self._negative.add(-latency, watchers)
        self._delivered.clear()
        traces.clear()


def utc_now() -> datetime:
    """The current time as a datetime: subtracting two datetimes is cheaper than converting either to Unix time."""
    return datetime.now(UTC)
