"""The addresses that `make up` listens on, and the host names that lead to them."""

import contextlib
import socket
from collections.abc import Iterator
from ipaddress import ip_address

from vidferry_common.http.host import is_host
from vidferry_common.proxies import parse_address
from vidferry_local.errors import CannotRun


@contextlib.contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to every address of host. The web server inherits them and listens, also after a restart."""
    bound: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for family, address in _resolve_addresses(host, port):
            try:
                bound.append(stack.enter_context(_bind_socket(family, address)))
            except OSError as error:
                if family == socket.AF_INET6 and bound:
                    continue  # a machine may resolve to IPv6 and have no IPv6
                raise CannotRun(
                    f"can't listen on port {port} of {host} ({error.strerror}). Set VIDFERRY_PORT to another port."
                ) from error
        yield bound


def machine_names(host: str) -> list[str]:
    """The names by which other machines reach what listens on host; none if only this machine can.

    By the machine's addresses it is reached in any case.
    """
    if all(ip_address(address).is_loopback for _, (address, _) in _resolve_addresses(host, 0)):
        return []
    hostname = socket.gethostname().lower()
    short = hostname.partition(".")[0]
    names = {hostname, short, f"{short}.local", *([host] if parse_address(host) is None else [])}
    return sorted(filter(is_host, names))


def url_host(host: str) -> str:
    """The host for a URL that a person can open on this machine."""
    if parse_address(host) is None:
        return host
    address = ip_address(host)
    if address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - an IP version


def _resolve_addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotRun(f"{host} is no address of this machine ({error.strerror}). Correct VIDFERRY_HOST.") from error
    return sorted({(int(item[0]), (str(item[4][0]), port)) for item in infos})  # IPv4 first


def _bind_socket(family: int, address: tuple[str, int]) -> socket.socket:
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
