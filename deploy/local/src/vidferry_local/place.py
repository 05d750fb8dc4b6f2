"""What a run takes hold of before it starts anything, the data folder and the port, and the names that lead there."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from vidferry_common.http.host import is_host
from vidferry_common.proxies import parse_address
from vidferry_local.service import ServiceFailed


@contextlib.contextmanager
def data_folder(path: Path) -> Iterator[Path]:
    """The folder, made where it is missing; only one supervisor uses it at a time."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceFailed(
            f"the folder {path} can't be used ({error.strerror}). Name another by VIDFERRY_DATA."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    except BlockingIOError:
        raise ServiceFailed(
            f"another Vidferry runs on the folder {path}. Stop it, or name another folder by VIDFERRY_DATA."
        ) from None
    finally:
        os.close(lock)


@contextlib.contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to every address of host; the server that inherits them listens, also after a restart."""
    bound: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for family, address in _addresses(host, port):
            try:
                bound.append(stack.enter_context(_bind(family, address)))
            except OSError as error:
                if family == socket.AF_INET6 and bound:
                    continue  # a machine may name IPv6 and have none
                raise ServiceFailed(
                    f"port {port} of {host} can't be had ({error.strerror}). Choose another by VIDFERRY_PORT."
                ) from error
        yield bound


def machine_names(host: str) -> list[str]:
    """The names by which others reach what listens on host; none where only this machine does.

    By an address of this machine it is reached in any case.
    """
    if all(ip_address(address).is_loopback for _, (address, _) in _addresses(host, 0)):
        return []
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    named = {own, short, f"{short}.local", *([host] if parse_address(host) is None else [])}
    return sorted(filter(is_host, named))


def url_host(host: str) -> str:
    """As it stands in a URL that a person here can open."""
    if parse_address(host) is None:
        return host
    address = ip_address(host)
    if address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - an IP version


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ServiceFailed(
            f"{host} is no address of this machine ({error.strerror}). Correct VIDFERRY_HOST."
        ) from error
    return sorted({(int(item[0]), (str(item[4][0]), port)) for item in found})  # IPv4 first


def _bind(family: int, address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
