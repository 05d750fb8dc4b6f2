import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.documents import block
from support.gateway_fixtures import shared_redis, store_of
from support.nginx import nginx
from support.ports import free_port
from support.redis_server import RedisServer
from support.services import Api, Gateway
from support.tls import self_signed

__all__ = ["shared_redis", "store_of"]

SHORT = 3
"""seconds that the documented configuration's 75 are for a test; pings come in a third of it there, as here"""


def site(port: int, api: str, *gateways: int) -> str:
    """The documented configuration, with a test's addresses."""
    text = block("operations.md", "nginx", "upstream vidferry_gateway")
    assert text.count("_timeout 75s") == 4
    for documented, ours in {
        "10.0.0.10:3001": api,
        "10.0.0.20:3002": f"127.0.0.1:{gateways[0]}",
        "10.0.0.21:3002": f"127.0.0.1:{gateways[1]}",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "server_name media.example.org;": "server_name localhost;",
        "/etc/ssl/media.example.org.pem": "@folder@/certificate.pem",
        "/etc/ssl/media.example.org.key": "@folder@/certificate.pem",
        "/var/log/nginx/vidferry.log": "@folder@/access.log",
    }.items():
        assert text.count(documented) == 1, documented
        text = text.replace(documented, ours)
    return re.sub("_timeout 75s", f"_timeout {SHORT}s", text)


@dataclass
class Behind:
    """What runs behind nginx, and where it is from outside."""

    url: str
    certificate: Path
    api: Api
    gateways: list[Gateway]
    access_log: Path

    @property
    def sockets(self) -> str:
        return "wss" + self.url.removeprefix("https")


@contextmanager
def behind_nginx(redis: RedisServer, folder: Path, *, as_nobody: bool = False) -> Iterator[Behind]:
    port = free_port()
    url = f"https://localhost:{port}/vidferry"
    with ExitStack() as stack:
        (folder / "bucket").mkdir()
        api = stack.enter_context(Api(redis.url, folder / "bucket", public_url=url))
        pings = {"gateway_ping_seconds": str(SHORT / 3), "gateway_pong_seconds": str(SHORT / 3 * 0.9)}
        gateways = [stack.enter_context(Gateway(redis.url, public_url=url, **pings)) for _ in range(2)]
        for gateway in gateways:
            gateway.wait_for("connected to Redis")
        certificate = self_signed(folder, "localhost")
        text = site(port, api.url.removeprefix("http://"), *(gateway.port for gateway in gateways))
        served = stack.enter_context(nginx(text, port, certificate, as_nobody=as_nobody))
        yield Behind(url, certificate, api, gateways, served / "access.log")


@pytest.fixture(scope="module")
def running(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """For tests that stop no gateway."""
    with behind_nginx(shared_redis, tmp_path_factory.mktemp("nginx")) as behind:
        yield behind


@pytest.fixture
def trusted(running: Behind, monkeypatch: pytest.MonkeyPatch) -> Behind:
    """As OpenSSL's own list of certificates, where clients that are told nothing look."""
    monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
    return running
