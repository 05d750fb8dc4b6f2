"""WebSocket frames as a server writes them (RFC 6455 §5.2): unmasked, whole. Built once, written to every watcher."""

PING = b"\x89\x00"

_TEXT, _BINARY = 0x81, 0x82
_SHORT, _MEDIUM = 126, 1 << 16


def text(payload: bytes) -> bytes:
    """A message in one text frame; payload is UTF-8."""
    return _frame(_TEXT, payload)


def unchanged(payload: bytes) -> bytes:
    """Any bytes in one frame: text where they are UTF-8, else binary, since a client fails on wrong text."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return _frame(_BINARY, payload)
    return _frame(_TEXT, payload)


def _frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _SHORT:
        return bytes((head, size)) + payload
    if size < _MEDIUM:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload
