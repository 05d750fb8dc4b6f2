"""The child's connection to the worker: events go out, orders, answers and connected sockets come in."""

import contextlib
import os
import queue
import socket
import threading

from vidferry_worker.children import wire
from vidferry_worker.children.protocol import MAX_HOST, ConnectAnswer, ConnectRequest, Event, number_or_none, to_message


class ForbiddenAddress(OSError):
    """The worker refuses to connect to this address."""


class ConnectTimedOut(TimeoutError):
    """The connection was not established in time."""


class Channel:
    """The socket to the worker (SOCK_SEQPACKET), shared by all threads. A reader thread distributes the messages."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[tuple[wire.Message, list[int]]]] = {}
        self._next_id = 0
        self._orders: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        threading.Thread(target=self._read_messages, name="channel", daemon=True).start()

    def send_event(self, event: Event) -> None:
        with self._lock:
            wire.send(self._sock, to_message(event))

    def receive_order(self) -> wire.Message:
        """Waits for the worker's next order."""
        return self._orders.get()

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Has the worker connect a socket and returns it; ForbiddenAddress, or OSError as from a local socket."""
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
        refusal = ConnectAnswer(**reply)
        if refusal.forbidden:
            raise ForbiddenAddress(refusal.error)
        if refusal.timed_out:
            raise ConnectTimedOut(refusal.error)
        raise OSError(refusal.error)

    def _read_messages(self) -> None:
        while True:
            try:
                message, fds = wire.receive(self._sock)
            except OSError:
                message, fds = None, []
            if message is None:
                os._exit(0)  # the worker is gone: nobody waits for this download
            waiting = self._waiting.pop(message["id"], None) if "id" in message else None
            if waiting:
                waiting.put((message, fds))
            elif "id" not in message:
                self._orders.put(message)
            else:
                for fd in fds:
                    with contextlib.suppress(OSError):
                        os.close(fd)
