"""An S3 server behind a layer, for tests of any service: moto from its wheel, or versitygw, which is strict itself.

A conftest imports the fixtures: from support.s3 import s3, s3_session. s3 gives the environment of a process:

    def test_it(s3):
        subprocess.run([...], env={**os.environ, **s3.environment()})

VIDFERRY_TEST_S3 names versitygw's program: `make test-s3` sets it. Without it, the server is moto.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4
from xml.sax.saxutils import unescape

import pytest

from support.layer import LOOPBACK, running
from support.listening_program import listening
from support.ports import free_port
from support.s3_layer import S3Layer
from support.s3_signatures import REGION, signed
from support.s3_sts import ROLE, Accounts

STRICT = "VIDFERRY_TEST_S3"


@dataclass
class S3:
    """A service that looks like S3, with one bucket."""

    layer: S3Layer
    folder: Path
    """for what processes are given in files"""
    bucket: str = field(default_factory=lambda: f"bucket-{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.ask("PUT", f"/{self.bucket}")

    @property
    def endpoint(self) -> str:
        return self.layer.url

    def names(self) -> list[str]:
        """Of all objects in the bucket, as the server itself knows them."""
        listed = self.ask("GET", f"/{self.bucket}?list-type=2&encoding-type=url")
        return [unquote(unescape(name)) for name in re.findall("<Key>(.*?)</Key>", listed)]

    def uploads(self) -> list[str]:
        """The names of objects whose parts are kept and that are not complete."""
        return re.findall("<Key>(.*?)</Key>", self.ask("GET", f"/{self.bucket}?uploads="))

    def ask(self, method: str, target: str) -> str:
        """The server's answer, past the layer."""
        host = f"127.0.0.1:{self.layer.backend}"
        connection = HTTPConnection(host, timeout=10)
        try:
            connection.request(method, target, headers=signed(self.layer.accounts.root, method, target, {"host": host}))
            reply = connection.getresponse()
            body = reply.read().decode()
            assert reply.status < 300, (method, target, reply.status, body)
            return body
        finally:
            connection.close()

    def environment(self, *, web_identity: bool = False) -> dict[str, str]:
        """For a process: a key, or as on EKS a token that STS gives temporary keys for."""
        nowhere = str(self.folder / "no-aws")
        common = {
            "VIDFERRY_BUCKET": f"s3://{self.bucket}",
            "VIDFERRY_S3_ENDPOINT": self.endpoint,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        accounts = self.layer.accounts
        if not web_identity:
            return {**common, "AWS_ACCESS_KEY_ID": accounts.root.access, "AWS_SECRET_ACCESS_KEY": accounts.root.secret}
        token = self.folder / "token"
        token.write_text(accounts.web_token)
        told = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_REGION": REGION}
        return {**common, **told, "AWS_ENDPOINT_URL_STS": self.endpoint}


@contextmanager
def moto() -> Iterator[int]:
    """The wheel's server, in memory, on a free loopback port."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with listening(command, port, is_noisy=True):
        yield port


@contextmanager
def versitygw(program: str, folder: Path, accounts: Accounts) -> Iterator[int]:
    """The strict server on a free loopback port; what it keeps is in folder."""
    port = free_port()
    objects, told = folder / "objects", folder / "told"
    for each in (objects, told):
        each.mkdir()
    command = [program, "--port", f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", str(told), str(objects)]
    keys = {"ROOT_ACCESS_KEY": accounts.root.access, "ROOT_SECRET_KEY": accounts.root.secret}
    with listening(command, port, keys, is_noisy=True):
        yield port


@contextmanager
def s3_service(folder: Path, listen: tuple[str, int] = LOOPBACK, url: str = "") -> Iterator[S3]:
    """Server and layer; what is kept in files is put into folder."""
    accounts, strict = Accounts(), os.environ.get(STRICT)
    server = versitygw(strict, folder, accounts) if strict else moto()
    with server as backend, running(S3Layer(backend, accounts, listen, url, is_strict=bool(strict))) as layer:
        yield S3(layer, folder)


@pytest.fixture(scope="session")
def s3_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_service(tmp_path_factory.mktemp("s3")) as service:
        yield service


@pytest.fixture
def s3(s3_session: S3) -> Iterator[S3]:
    """The session's service with a fresh bucket, all rules on, no faults."""
    s3_session.layer.forget()
    yield S3(s3_session.layer, s3_session.folder)
    s3_session.layer.forget()
