"""The child's line to the worker: events out, answers and connected sockets in."""

import contextlib
import os
import queue
import socket
import threading

from vidferry_worker.children import wire
from vidferry_worker.children.protocol import MAX_HOST, ConnectAnswer, ConnectRequest, Event, number_or_none, to_message


class ForbiddenAddress(OSError):
    """The worker refuses to connect there."""


class Unreached(TimeoutError):
    """No connection came about in time."""


class Channel:
    """One SOCK_SEQPACKET socket, shared by all threads of the child. A reader thread hands out what comes in."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[tuple[wire.Message, list[int]]]] = {}
        self._next_id = 0
        self._orders: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="channel", daemon=True).start()

    def tell(self, event: Event) -> None:
        with self._lock:
            wire.send(self._sock, to_message(event))

    def order(self) -> wire.Message:
        """The worker's next order, however long it takes."""
        return self._orders.get()

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """A socket that the worker connected; ForbiddenAddress, or OSError as from a socket of one's own."""
        if len(host) > MAX_HOST:
            raise OSError("no such host")
        answer: queue.SimpleQueue[tuple[wire.Message, list[int]]] = queue.SimpleQueue()
        with self._lock:
            self._next_id += 1
            number = self._next_id
            self._waiting[number] = answer
            wire.send(self._sock, to_message(ConnectRequest(number, host, port, number_or_none(timeout) or 0.0)))
        reply, fds = answer.get()
        if fds:
            connected = socket.socket(fileno=fds[0])
            connected.settimeout(timeout)
            return connected
        told = ConnectAnswer(**reply)
        if told.forbidden:
            raise ForbiddenAddress(told.error)
        if told.timed_out:
            raise Unreached(told.error)
        raise OSError(told.error)

    def _read(self) -> None:
        while True:
            try:
                message, fds = wire.receive(self._sock)
            except OSError:
                message, fds = None, []
            if message is None:
                os._exit(0)  # the worker is gone, and with it the reason to go on
            waiting = self._waiting.pop(message["id"], None) if "id" in message else None
            if waiting:
                waiting.put((message, fds))
            elif "id" not in message:
                self._orders.put(message)
            else:
                for fd in fds:
                    with contextlib.suppress(OSError):
                        os.close(fd)
