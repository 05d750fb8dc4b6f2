"""An internet of one machine: in a network namespace of its own, every address there is leads back to it.

What is dialled, a metadata server's address or anybody's public one, ends at a listener here; nothing can leave.
"""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_RTM_NEWROUTE, _RTM_F = 24, 0x0001 | 0x0004 | 0x0400  # NLM_F_REQUEST, _ACK, _CREATE
_TABLE_LOCAL, _PROTO_STATIC, _SCOPE_HOST, _TYPE_LOCAL = 255, 4, 254, 2
_RTA_OIF, _LOOPBACK = 4, 1
_MS_BIND = 0x1000
HAS_ROOT = any(line.split()[4] == "/" for line in Path("/proc/self/mountinfo").read_text().splitlines())
"""whether / is a mount point; in a chroot it may be none, and then no mount there is kept from the system around it"""
ENTER = (
    "unshare", "--net", *(["--mount"] if HAS_ROOT else []),
    *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--",
)  # fmt: skip
"""before a command: begins it in such a namespace; an ordinary user needs one of users for that"""


def own_everything() -> None:
    """Every IPv4 and IPv6 address is one of this machine's, once this namespace's only interface is up."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    for family in (socket.AF_INET, socket.AF_INET6):
        _add_route(family)


def _add_route(family: int) -> None:
    """As `ip route add local default dev lo` does (rtnetlink(7))."""
    route = struct.pack(
        "=BBBBBBBBI", family, 0, 0, 0, _TABLE_LOCAL, _PROTO_STATIC, _SCOPE_HOST, _TYPE_LOCAL, 0
    ) + struct.pack("=HHi", 8, _RTA_OIF, _LOOPBACK)  # fmt: skip
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(struct.pack("=IHHII", 16 + len(route), _RTM_NEWROUTE, _RTM_F, 1, 0) + route)
        (error,) = struct.unpack_from("=i", sock.recv(4096), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


def ask(server: str, folder: Path) -> None:
    """Names are resolved by the server at that address, by nothing else.

    In a chroot by the one that its own resolv.conf names: that address leads to this machine, as all do.
    """
    if not HAS_ROOT:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for path, content in (
        ("/etc/resolv.conf", f"nameserver {server}\noptions timeout:2 attempts:2\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
    ):
        ours = folder / path.rpartition("/")[2]
        ours.write_text(content)
        if libc.mount(str(ours).encode(), str(Path(path).resolve()).encode(), None, _MS_BIND, None):
            raise OSError(ctypes.get_errno(), f"mount {path}")
