"""Builds what clients are sent: WebSocket frames (RFC 6455 §5.2, unmasked and unfragmented) and Server-Sent Events
(HTML standard §9.2.6). Each message is built once, and the same bytes are written to every watcher.
"""

import re
import struct

PING = b"\x89\x00"
KEEPALIVE = b":\n"
"""A comment line of an event stream, which keeps proxies from closing it. No blank line follows: common clients would
take that for an event without data."""

_TEXT, _BINARY = 0x81, 0x82
_medium = struct.Struct(">BBH").pack
_SHORT, _MEDIUM = 126, 1 << 16
_HEADER_SIZES = {126: 4, 127: 10}
_LINES = re.compile(rb"\r\n|\r|\n")


def text_frame(payload: bytes) -> bytes:
    """A text frame; payload must be UTF-8."""
    return _build_frame(_TEXT, payload)


def text_or_binary_frame(payload: bytes) -> bytes:
    """A text frame if payload is UTF-8, else a binary frame: clients fail on text that is not UTF-8."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return _build_frame(_BINARY, payload)
    return _build_frame(_TEXT, payload)


def visible_ping(payload: bytes) -> bytes:
    """A ping, followed by a text message for clients that can't see pings: browsers don't show them to scripts."""
    return PING + text_frame(payload)


def frame_payload(frame: bytes) -> bytes:
    """The payload of a frame that this module built."""
    return frame[_HEADER_SIZES.get(frame[1], 2) :]


def sse_event(data: bytes, cursor: str = "", name: str = "") -> bytes:
    """An event. Browsers send the cursor back as Last-Event-ID. Bytes that are not UTF-8 are replaced."""
    fields = [f"event: {name}\n".encode()] if name else []
    if cursor:
        fields.append(f"id: {cursor}\n".encode())
    fields += [b"data: %b\n" % line for line in _LINES.split(data.decode(errors="replace").encode())]
    return b"".join([*fields, b"\n"])


def _build_frame(first_byte: int, payload: bytes) -> bytes:
    size = len(payload)
    if _SHORT <= size < _MEDIUM:
        return _medium(first_byte, 126, size) + payload
    if size < _SHORT:
        return bytes((first_byte, size)) + payload
    return bytes((first_byte, 127)) + size.to_bytes(8, "big") + payload
