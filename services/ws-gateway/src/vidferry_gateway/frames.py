"""What goes out, as bytes: built once, written to every watcher.

WebSocket frames as a server writes them (RFC 6455 §5.2): unmasked, whole. Events as the HTML standard's event streams
have them (§9.2.6).
"""

import re
import struct

PING = b"\x89\x00"
KEEPALIVE = b":\n"
"""a comment line of an event stream: so that no proxy takes it for dead. With a blank line behind it, common clients
would take it for an event without data."""

_TEXT, _BINARY = 0x81, 0x82
_medium = struct.Struct(">BBH").pack
_SHORT, _MEDIUM = 126, 1 << 16
_HEADS = {126: 4, 127: 10}
_LINES = re.compile(rb"\r\n|\r|\n")


def text_frame(payload: bytes) -> bytes:
    """A message in one text frame; payload is UTF-8."""
    return _build_frame(_TEXT, payload)


def unchanged_frame(payload: bytes) -> bytes:
    """Any bytes in one frame: text where they are UTF-8, else binary, since a client fails on wrong text."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return _build_frame(_BINARY, payload)
    return _build_frame(_TEXT, payload)


def visible_ping(payload: bytes) -> bytes:
    """A ping, and a message for a client that isn't told of pings."""
    return PING + text_frame(payload)


def payload_of(frame: bytes) -> bytes:
    """What one of these frames holds."""
    return frame[_HEADS.get(frame[1], 2) :]


def event_of(data: bytes, cursor: str = "", name: str = "") -> bytes:
    """A message as an event, with its cursor as the id that a browser hands back; event streams are UTF-8 only."""
    fields = [f"event: {name}\n".encode()] if name else []
    if cursor:
        fields.append(f"id: {cursor}\n".encode())
    fields += [b"data: %b\n" % line for line in _LINES.split(data.decode(errors="replace").encode())]
    return b"".join([*fields, b"\n"])


def _build_frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if _SHORT <= size < _MEDIUM:
        return _medium(head, 126, size) + payload
    if size < _SHORT:
        return bytes((head, size)) + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload
