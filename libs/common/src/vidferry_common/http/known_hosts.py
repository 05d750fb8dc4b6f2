"""Which hosts a service answers to, and where its users find it.

A page of any site can have its own name lead to this machine (DNS rebinding), and then counts as a page of whatever
answers there. Its requests name the site's host all the same, so a service answers to the names that it knows.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_settings import NoDecode

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http.host import bare_host, forwarded_host, hosts_of, is_host
from vidferry_common.proxies import parse_address
from vidferry_common.settings import Settings, parse_http_url, split_list

ANY = "*"
_LOCAL = ("localhost", "127.0.0.1", "::1")


class KnownHosts:
    """The hosts that a service answers to: localhost, and those that the settings name.

    names: host names, addresses and ranges (CIDR); `*` is every host.
    """

    def __init__(self, names: Iterable[str]) -> None:
        named = {*_LOCAL, *names}
        self._any = ANY in named
        self._names = frozenset(each.lower().strip("[]").removesuffix(".") for each in named)
        self._networks = tuple(ip_network(each.strip("[]")) for each in named if _is_network(each))

    def is_known(self, host: str, reached: str) -> bool:
        """Whether a request's host, with a port or without, is a known one.

        reached: the address that the request's connection came to. Who names that address has not been misled by
        a name, so it needs no setting.
        """
        name = bare_host(host)
        if self._any or name in self._names:
            return True
        address = parse_address(name)
        return address is not None and (
            address == parse_address(reached.partition("%")[0])
            or any(address in network for network in self._networks if network.version == address.version)
        )

    def find_refusal(
        self, headers: Sequence[tuple[bytes, bytes]], http_version: str, reached: str, *, by_proxy: bool
    ) -> ProblemCode | None:
        """Why a request with these headers, names in lower case, is refused for its host; None where it is not.

        by_proxy: whether a trusted proxy sends it: its X-Forwarded-Host is looked at as well. Not instead, for a page
        can send that header too, and by default every program on this machine counts as a proxy.
        """
        named = hosts_of(headers)
        if len(named) > 1 or not (named or http_version == "1.0"):  # RFC 9112 §3.2
            return ProblemCode.INVALID_HOST
        if by_proxy and (outermost := forwarded_host(headers)):
            named.append(outermost)
        if not all(map(is_host, named)):
            return ProblemCode.INVALID_HOST
        return None if all(self.is_known(each, reached) for each in named) else ProblemCode.UNKNOWN_HOST


def _is_network(text: str) -> bool:
    try:
        ip_network(text.strip("[]"))
    except ValueError:
        return False
    return True


def _split_list(value: object) -> object:
    return tuple(split_list(value)) if isinstance(value, str) else value


def _each_a_host(value: Sequence[str]) -> tuple[str, ...]:
    hosts = tuple(_encode_idna(each) for each in value)
    for host in hosts:
        if not (host == ANY or _is_network(host) or (is_host(host) and ":" not in host)):
            raise ValueError(
                f"{host!r} is not a host. Write a host name without scheme, port and path, an IP address, a range "
                "(CIDR), or *"
            )
    return hosts


def _encode_idna(host: str) -> str:
    """As it stands in a request: names of other scripts are encoded there (IDNA)."""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list), AfterValidator(_each_a_host)]
"""separated by commas in the environment"""


class HostSettings(Settings):
    """The public URL of a service, and the hosts that it answers to."""

    public_url: str | None = Field(
        None,
        description="The URL at which users reach Vidferry, with its path if it has one: "
        "`https://media.example.org/vidferry`. Links begin with this URL. By default links begin with the host of "
        "the request, which must be a known host.",
    )
    allowed_hosts: Hosts = Field(
        (),
        description="Further host names that requests may use, separated by commas: names, IP addresses, ranges "
        "(CIDR), or `*` for every host. Always known are localhost, the IP address that the client connected to, "
        "and the host of VIDFERRY_PUBLIC_URL. Requests for other hosts are refused with 421, which protects against "
        "DNS rebinding.",
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = parse_http_url(value)
        if parts.query or parts.fragment:
            msg = "must not have a query (?) or a fragment (#)"
            raise ValueError(msg)
        return value.rstrip("/")

    @property
    def prefix(self) -> str:
        """The path of the public address: empty, or with a slash at its beginning and none at its end."""
        return urlsplit(self.public_url).path if self.public_url else ""

    @cached_property
    def hosts(self) -> KnownHosts:
        own = urlsplit(self.public_url).hostname if self.public_url else None
        return KnownHosts([*self.allowed_hosts, *([_encode_idna(own)] if own else [])])
