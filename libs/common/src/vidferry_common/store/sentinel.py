"""Redis behind Sentinels: which server is the primary, and connections that go to it.

redis-py brings a pool for this. It is not used: where all connections are taken it refuses a command instead of
waiting, its tries multiply with those of a connection, and it believes whatever a Sentinel names. What a client has to
do is told at https://redis.io/docs/latest/develop/reference/sentinel-clients/.
"""

import asyncio
import contextlib
import random
import re
from dataclasses import dataclass
from typing import Any, Self

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

FORM = "redis+sentinel://host:26379,host:26379/master-name/db"
PORT = 26379
ASK_SECONDS = 2.0
"""to connect to a Sentinel, and for its answer; then another one is asked"""
FRESH_SECONDS = 1.0
"""for which an answer counts: after a failover the old primary takes writes, which are lost, until the Sentinels make
a replica of it some ten seconds later"""
WAIT_SECONDS = 0.25
"""for a fresh answer, at the most, while there is a connection that may still be right"""
REFUSALS = ("READONLY", "NOREPLICAS")
"""How a replica refuses a write, and a primary that no replica follows; of a script it is within the error's text."""

_ADDRESS = re.compile(r"(rediss?)\+sentinel://([^/?#]+)/([^/?#]+)(/\d*)?(\?.*)?")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?")

Host = tuple[str, int]


class NoPrimary(Exception):
    """No Sentinel knows the primary, or it is down. redis-py makes a ConnectionError of it, without a second try."""


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """A URL of FORM, parsed."""

    hosts: tuple[Host, ...]
    name: str
    """of the primary, as the Sentinels call it"""
    server: str
    """the options for the servers, as the URL of one; its host is a placeholder"""

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """The URL's parts; None where it names no Sentinels, ValueError where it is malformed."""
        if "+sentinel:" not in url:
            return None
        found = _ADDRESS.fullmatch(url)
        hosts = [_HOST.fullmatch(each) for each in found[2].split(",")] if found else []
        if found is None or not all(hosts):
            msg = f"must be {FORM}, or rediss+sentinel://… with TLS"
            raise ValueError(msg)
        scheme, _, name, database, options = found.groups(default="")
        return cls(
            tuple((host[1].strip("[]"), int(host[2] or PORT)) for host in hosts if host),
            name,
            f"{scheme}://primary{database or '/0'}{options}",
        )


class Sentinels:
    """The Sentinels, which know where the primary is. The one that answered last is asked first the next time."""

    def __init__(self, url: SentinelUrl, **options: Any) -> None:
        self._hosts, self._name = list(url.hosts), url.name
        random.shuffle(self._hosts)  # not all processes ask the first one
        self._options = {**options, "socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
        self.newest: Host | None = None
        """the last answer"""
        self._stale_from = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def find_primary(self) -> Host:
        """Asks the Sentinels for the primary; NoPrimary, with what each of them said."""
        said = []
        for host in tuple(self._hosts):
            try:
                self.newest = await self._ask_sentinel(host)
            except (NoPrimary, RedisError, OSError) as error:
                said.append(f"{host[0]}:{host[1]}: {error}")
            else:
                self._hosts.sort(key=lambda each: each != host)
                self._stale_from = asyncio.get_running_loop().time() + FRESH_SECONDS
                return self.newest
        raise NoPrimary(f"no Sentinel knows the primary {self._name} ({'; '.join(said)})")

    async def refresh(self) -> None:
        """Asks again where the last answer is not fresh. The answer is in `newest`."""
        if asyncio.get_running_loop().time() < self._stale_from:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._refresh_now())
        await asyncio.wait([self._looking], timeout=WAIT_SECONDS)

    async def _refresh_now(self) -> None:
        with contextlib.suppress(NoPrimary):
            await self.find_primary()

    async def _ask_sentinel(self, host: Host) -> Host:
        """Asks on a new connection, once a second at the most, so that none is left to be closed."""
        async with Redis(host=host[0], port=host[1], **self._options) as sentinel:
            known = (await sentinel.sentinel_masters()).get(self._name)  # type: ignore[no-untyped-call]
        if known is None:
            raise NoPrimary("it watches none of that name")
        if not known["is_master"] or known["is_sdown"] or known["is_odown"]:
            raise NoPrimary("it is down")
        return known["ip"], known["port"]


class PrimaryConnection(Connection):
    """A connection to the current primary; it refuses a replica."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self._sentinels.find_primary()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def on_connect(self) -> None:
        """As of every connection. HELLO tells a server's role, for which ROLE would need rights of an administrator."""
        await super().on_connect()
        await self.send_command("HELLO", check_health=False)
        told = await self.read_response()
        told = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
        if told[b"role"] != b"master":
            raise RedisConnectionError(f"{self.host}:{self.port} is no primary (any more)")

    async def can_read_destructive(self) -> bool:
        """Whether the pool must open it anew: also where others have meanwhile found another primary."""
        await self._sentinels.refresh()
        if (self.host, self.port) != self._sentinels.newest:
            return True
        return bool(await super().can_read_destructive())  # type: ignore[no-untyped-call]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if not isinstance(error, ReadOnlyError) and not any(word in str(error) for word in REFUSALS):
                raise
            await self.disconnect()
            raise RedisConnectionError(f"{self.host}:{self.port} takes no writes (any more)") from error


class PrimarySSLConnection(PrimaryConnection, SSLConnection):
    """A connection to the current primary, with TLS."""
