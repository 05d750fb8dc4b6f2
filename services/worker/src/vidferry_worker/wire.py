"""Messages between the worker, its zygote and its children: JSON objects over SOCK_SEQPACKET pairs.

Standard library only: the zygote loads this beside yt-dlp, the parent beside arq.
"""

import json
import socket
from typing import Any

MAX_BYTES = 64 * 1024
"""Of one message. A peer that sends more is broken or hostile, and is cut off."""

Message = dict[str, Any]


class WireError(Exception):
    """The peer sent something that is no message."""


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message, fds: list[int] | None = None) -> None:
    """Sends one message, with open files beside it; OSError where the peer is gone."""
    socket.send_fds(channel, [json.dumps(message).encode()], fds or [])


def receive(channel: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and the files beside it; None at the end of the stream. WireError for anything else."""
    raw, fds, flags, _ = socket.recv_fds(channel, MAX_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
    if not raw:
        return None, fds
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        msg = "a message is too large"
        raise WireError(msg)
    try:
        message = json.loads(raw)
    except ValueError as error:
        msg = "a message is no JSON"
        raise WireError(msg) from error
    if not isinstance(message, dict):
        msg = "a message is no object"
        raise WireError(msg)
    return message, fds
