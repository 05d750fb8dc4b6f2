"""Messages between the worker, its zygote and its children: JSON objects over SOCK_SEQPACKET pairs.

Standard library only: the zygote loads this beside yt-dlp, the parent beside arq.
"""

import contextlib
import json
import os
import socket
import struct
from typing import Any

MAX_BYTES = 64 * 1024
"""of one message. A peer that sends more is broken or hostile, and is cut off."""

FD = struct.Struct("i")
_SO_PASSRIGHTS = 83  # asm-generic/socket.h

Message = dict[str, Any]


class WireError(Exception):
    """The peer has sent something that is not a message."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message, fds: list[int] | None = None) -> None:
    """Sends one message, with open files beside it; OSError where the peer is gone.

    Without files it does not call sendmsg(2), which a child's sandbox forbids.
    """
    raw = json.dumps(message).encode()
    if fds:
        socket.send_fds(channel, [raw], fds)
    else:
        channel.send(raw)


def receive(channel: socket.socket) -> tuple[Message | None, list[int]]:
    """The next message and the files beside it; None at the end of the stream. WireError for anything else."""
    # Not socket.recv_fds, which before Python 3.12 drops its flags: what it received would be inherited.
    raw, control, flags, _ = channel.recvmsg(MAX_BYTES, socket.CMSG_LEN(FD.size), socket.MSG_CMSG_CLOEXEC)
    fds = [fd for _, _, data in control for (fd,) in FD.iter_unpack(data[: len(data) - len(data) % FD.size])]
    if not raw:
        return None, fds
    try:
        return parse_message(raw, flags), fds
    except WireError:
        for fd in fds:
            os.close(fd)
        raise


def receive_without_files(channel: socket.socket) -> Message | None:
    """The next message of a peer that may send no files: a file beside it is a WireError."""
    raw, _, flags, _ = channel.recvmsg(MAX_BYTES)
    return parse_message(raw, flags) if raw else None


def refuse_files(channel: socket.socket) -> None:
    """Lets the kernel refuse files from the peer, where it can (Linux 6.16)."""
    with contextlib.suppress(OSError):
        channel.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)


def parse_message(raw: bytes, flags: int) -> Message:
    """The message in these bytes; WireError. flags: of recvmsg(2)."""
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        msg = "a message is too large"
        raise WireError(msg)
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError) as error:
        msg = "a message is no JSON"
        raise WireError(msg) from error
    if not isinstance(message, dict):
        msg = "a message is no object"
        raise WireError(msg)
    return message
