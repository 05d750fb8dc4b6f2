"""An operator's own outbound proxy. It is asked for the very address that was checked, never for a name."""

import asyncio
import base64
import ipaddress
import socket
import struct
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from vidferry_common.contract.identity import digest
from vidferry_worker.network import dial
from vidferry_worker.network.dial import Address

MAX_HEAD = 8192
"""bytes of the head of an HTTP proxy's response"""
MAX_CREDENTIAL = 255
"""bytes of a user or a password (RFC 1929 §2)"""
DEFAULT_PORTS = {"http": 3128, "socks5": 1080}
_OK = 200
_IPV4, _NAME, _IPV6 = 1, 3, 4  # RFC 1928 §5
_NO_METHOD, _BY_PASSWORD = 0xFF, 2  # RFC 1928 §3
_REPLIES = (
    "granted", "it failed", "its rules forbid it", "the network can't be reached", "the host can't be reached",
    "the connection was refused", "the time to live is over", "it knows no CONNECT", "it knows no such address",
)  # fmt: skip


class ProxyError(OSError):
    """The proxy can't be used, or refuses to connect."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy (`http://host:port`; CONNECT, RFC 9110 §9.3.6) or SOCKS one (`socks5://…`; RFC 1928, RFC 1929)."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, username: str = "", password: str = "") -> "Proxy":
        """The proxy at a URL; ValueError where that is not the URL of a proxy."""
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be http://host:port or socks5://host:port")
        if parts.username or parts.password:
            raise ValueError(
                "must not contain a user name or a password. Set VIDFERRY_EGRESS_PROXY_USERNAME and "
                "VIDFERRY_EGRESS_PROXY_PASSWORD"
            )
        return cls(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], username, password)

    @classmethod
    def parse_with_user(cls, url: str) -> "Proxy":
        """The proxy at a URL that may have a user and a password, percent-encoded; ValueError, which tells neither."""
        how = "must be http://host:port or socks5://host:port, with user:password@ before the host if it asks for them"
        try:
            parts = urlsplit(url)
            user, password = unquote(parts.username or ""), unquote(parts.password or "")
            proxy = cls.parse(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), user, password)
        except ValueError:
            raise ValueError(how) from None
        is_clean = url.isascii() and url.isprintable() and " " not in url and not parts.fragment
        if not is_clean or max(len(user.encode()), len(password.encode())) > MAX_CREDENTIAL:
            raise ValueError(how)
        if ":" in user or (password and not user):  # RFC 7617 §2
            raise ValueError(how)
        return proxy

    @property
    def way(self) -> str:
        """A name of this way out, in place of its address: it is written into Redis."""
        return digest("proxy", self.scheme, self.host, str(self.port))[:16]

    async def dial(self, address: Address) -> socket.socket:
        """A socket connected to the address through the proxy; OSError."""
        sock = await self._reach()
        try:
            await (self._connect_by_http if self.scheme == "http" else self._connect_by_socks)(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self) -> socket.socket:
        """A socket connected to the proxy. ProxyError, which does not tell its address: it may reach a child."""
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            addresses = [Address(info[0], str(info[4][0]), self.port) for info in infos]
            return await dial.dial_first(addresses, dial.dial_directly)
        except (OSError, UnicodeError):
            raise ProxyError("the proxy can't be reached") from None

    async def _connect_by_http(self, sock: socket.socket, address: Address) -> None:
        target = f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.username:
            token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {token}")
        await asyncio.get_running_loop().sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
        head = await _read_head(sock)
        version, _, rest = head.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise ProxyError("the proxy's answer is no HTTP")
        if not _OK <= int(rest[:3]) < _OK + 100:
            raise ProxyError(f"the proxy answered {int(rest[:3])}")

    async def _connect_by_socks(self, sock: socket.socket, address: Address) -> None:
        await self._authenticate(sock)
        packed = ipaddress.ip_address(address.host).packed
        address_type = _IPV4 if address.family == socket.AF_INET else _IPV6
        request = bytes([5, 1, 0, address_type]) + packed + struct.pack(">H", address.port)
        await asyncio.get_running_loop().sock_sendall(sock, request)
        _, reply, _, bound_type = await _read_exactly(sock, 4)
        if reply:
            raise ProxyError(f"the proxy refuses: {_REPLIES[reply] if reply < len(_REPLIES) else reply}")
        await _read_exactly(sock, await _read_bound_length(sock, bound_type) + 2)

    async def _authenticate(self, sock: socket.socket) -> None:
        """The beginning of a SOCKS connection: agrees on a method, and sends the password (RFC 1929)."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, bytes([5, 1, _BY_PASSWORD if self.username else 0]))
        version, method = await _read_exactly(sock, 2)
        if version != 5 or method == _NO_METHOD:  # noqa: PLR2004 - SOCKS's
            raise ProxyError("the proxy takes no such user, or is no SOCKS5 proxy")
        if method == _BY_PASSWORD:
            user, password = self.username.encode(), self.password.encode()
            await loop.sock_sendall(sock, bytes([1, len(user)]) + user + bytes([len(password)]) + password)
            if (await _read_exactly(sock, 2))[1]:
                raise ProxyError("the proxy refuses the user or the password")


async def _read_bound_length(sock: socket.socket, address_type: int) -> int:
    """The length of the bound address in a SOCKS reply. Nobody needs the address, but it comes before the payload."""
    if address_type == _NAME:
        return (await _read_exactly(sock, 1))[0]
    return 4 if address_type == _IPV4 else 16


async def _read_exactly(sock: socket.socket, count: int) -> bytes:
    """That many bytes and none more: what follows is the payload of the connection."""
    received = b""
    while len(received) < count:
        piece = await asyncio.get_running_loop().sock_recv(sock, count - len(received))
        if not piece:
            raise ProxyError("the proxy closed the connection")
        received += piece
    return received


async def _read_head(sock: socket.socket) -> bytes:
    """The head of an HTTP response, read byte by byte for the same reason."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        if len(head) >= MAX_HEAD:
            raise ProxyError("the proxy's answer is too long")
        head += await _read_exactly(sock, 1)
    return bytes(head)
