"""The connections without a request, kept for the next one to the same origin."""

import threading

from vidferry_worker.child.impersonation.connection import Connect, Connection, Origin

MAX_IDLE = 8


class ConnectionPool:
    """The idle connections of one handler. A thread has the one that it takes for itself."""

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def take(self, origin: Origin, connect: Connect) -> Connection:
        """A connection to the origin, for one request; a new one where none is idle."""
        with self._lock:
            for connection in reversed(self._idle):
                if connection.origin == origin:
                    self._idle.remove(connection)
                    return connection
        return Connection(origin, connect)

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection whose response was read; the oldest one is closed where there are too many."""
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle[:-MAX_IDLE]
            del self._idle[:-MAX_IDLE]
        for each in surplus:
            each.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()
