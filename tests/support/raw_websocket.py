"""A client that says exactly the bytes it is told to."""

import contextlib
import os
import socket
from typing import Self

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from support.services import Gateway
from support.watchers import TIMEOUT


def handshake(
    job_id: str, *headers: str, method: str = "GET", version: str = "13", path: str = "/ws/download/"
) -> bytes:
    lines = [
        f"{method} {path}{job_id} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Sec-WebSocket-Version: {version}", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    masked: bool = True,
    reserved: int = 0,
    mask: bytes | None = None,
) -> bytes:
    head = bytes([fin << 7 | reserved << 4 | opcode])
    size = len(payload)
    mask_bit = masked << 7
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4) if mask is None else mask
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class RawClient:
    """Blocking; every read has a deadline."""

    def __init__(self, gateway: Gateway, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", gateway.port))
        self._buffer = StreamReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def response(self) -> tuple[int, bytes]:
        """The status and the head of an HTTP response."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, head
            head += byte
        return int(head.split()[1]), head

    def frame(self) -> Frame:
        one = self.frame_or_end()
        assert one is not None, "closed without a frame"
        return one

    def frame_or_end(self) -> Frame | None:
        """None where the connection ended, between two frames."""
        parser = Frame.parse(self._buffer.read_exact, mask=False)
        try:
            while True:
                next(parser)
                if not (data := self.socket.recv(65536)):
                    assert not self._buffer.buffer, "closed amid a frame"
                    return None
                self._buffer.feed_data(data)
        except StopIteration as parsed:
            result: Frame = parsed.value
            return result

    def frames_to_close(self) -> tuple[list[Frame], int]:
        """The frames before the close, and its code; then the connection's end."""
        seen = []
        while (one := self.frame()).opcode is not Opcode.CLOSE:
            seen.append(one)
        with contextlib.suppress(OSError):
            self.send(frame(Opcode.CLOSE, bytes(one.data)))
        assert self.socket.recv(1) == b"", "the server closes first (RFC 6455 §7.1.1)"
        return seen, int.from_bytes(one.data[:2], "big")
