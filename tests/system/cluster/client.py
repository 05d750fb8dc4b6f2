"""Vidferry as its users have it: https and WebSockets through the ingress controller."""

import asyncio
import datetime as dt
import json
import random
import ssl
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from system.cluster import kube
from system.cluster.keys import CLIENT_KEY
from system.cluster.settings import HOST, INGRESS, INGRESS_HTTP, address

END_SECONDS = 240
"""for one job on a busy machine, an outage in its middle included"""
OPEN_SECONDS = 10
BACKOFF, BACKOFF_MOST = 0.5, 15.0
"""as the page's own client waits between two connections"""
ENDS = {"completed", "failed", "cancelled"}
NO_TICKET, NO_SUCH_JOB = 4501, 4504
FINAL = 4500
"""codes from here on say: don't try again"""


def certificate(host: str = HOST) -> tuple[bytes, bytes]:
    """A certificate that signs itself, for a host and those below it, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"*.{host}")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


@dataclass(frozen=True)
class Broken:
    """A connection that did not last to the job's end."""

    cause: str
    at: float
    """when it ended, by the monotonic clock"""
    opened: float
    """seconds after the watcher came"""
    lasted: float
    messages: int

    def __str__(self) -> str:
        return f"+{self.opened:.1f} s, for {self.lasted:.1f} s: {self.messages} messages, {self.cause}"


@dataclass
class Watcher:
    """What a client was sent over all its connections."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    """when each of them came, by the monotonic clock"""
    close_code: int | None = None
    broken: list[Broken] = field(default_factory=list)
    silence: float = 0
    """the longest time without a message, in seconds"""
    silent_at: str = ""
    """between which two messages that was"""

    def take(self, message: dict[str, Any], now: float, waited: float) -> None:
        """A message, when it came, and the seconds since the one before."""
        if waited > self.silence:
            self.silence = waited
            self.silent_at = " → ".join(shown(each) for each in (*self.data[-1:], message["data"]))
        self.messages.append(message)
        self.heard.append(now)

    @property
    def data(self) -> list[dict[str, Any]]:
        return [message["data"] for message in self.messages]

    @property
    def cursor(self) -> str:
        return str(self.messages[-1]["cursor"]) if self.messages else ""

    @property
    def ended(self) -> bool:
        return bool(self.messages) and self.data[-1]["status"] in ENDS


def shown(data: Mapping[str, Any]) -> str:
    return f"{data['stage'] or data['status']} {data['progress']:.0f} %"


def refusal(error: Exception) -> str:
    """Why a connection was not had."""
    return f"answered with {error.response.status_code}" if isinstance(error, InvalidStatus) else type(error).__name__


class Client:
    """One installation, by its certificate, its host and its path; by http where nothing is trusted.

    It sends the key, or token, with each request; its sockets have the tickets of the jobs' documents.
    """

    def __init__(self, trusted: bytes | None, host: str = HOST, path: str = "", key: str = CLIENT_KEY) -> None:
        self._tls = tls(trusted) if trusted else None
        self._host, self._place = host, address(INGRESS if trusted else INGRESS_HTTP)
        self._public = f"{'wss' if trusted else 'ws'}://{host}{path}/ws/"
        name, port = self._place
        self._http = httpx2.Client(
            base_url=f"{'https' if trusted else 'http'}://{name}:{port}{path}",
            headers={"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {}),
            verify=self._tls or False, timeout=20, trust_env=False,
        )  # fmt: skip

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self._http.request(method, path, extensions={"sni_hostname": self._host}, **options)

    def routed(self) -> None:
        """Returns when the controller, which learns of a release by and by, brings both services what is theirs."""
        kube.until_nothing(lambda: asyncio.run(self._astray()))

    async def _astray(self) -> list[str]:
        try:
            page = str(self.request("GET", "/").status_code)
        except httpx2.HTTPError as error:  # as long as it has no certificate for this host
            page = repr(error)
        try:
            async with self.socket({"ws_url": f"{self._public}download/{uuid.uuid4()}"}) as ws:
                await ws.recv()
        except ConnectionClosed as closed:
            job = "" if closed.rcvd and closed.rcvd.code >= FINAL else repr(closed)
        except (OSError, InvalidHandshake) as error:
            job = repr(error)
        return [f"page: {page}"] * (page != str(HTTPStatus.OK.value)) + [job] * bool(job)

    def post(self, url: str, **fields: Any) -> dict[str, Any]:
        """A job that must be accepted."""
        response = self.request("POST", "/api/download", json={"url": url, **fields})
        assert response.status_code == 202, response.text
        return dict(response.json())

    def job(self, job: Mapping[str, Any]) -> dict[str, Any]:
        response = self.request("GET", f"/api/jobs/{job['job_id']}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def socket(self, job: Mapping[str, Any], after: str = "") -> connect:
        """Not the threaded client: Python's TLS is not made for a thread that reads while another writes."""
        assert job["ws_url"].startswith(self._public), job["ws_url"]
        host, port = self._place
        separator = "&" if "?" in job["ws_url"] else "?"
        return connect(
            job["ws_url"] + (f"{separator}after={after}" if after else ""),
            host=host,
            port=port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
            open_timeout=OPEN_SECONDS,
            proxy=None,
        )

    def watch(self, job: Mapping[str, Any]) -> Watcher:
        """To the job's end, as the page's client does: a connection that breaks is opened again, with the cursor."""
        watched = Watcher()
        self.watch_by([watched], job)
        return watched

    def watch_by(self, windows: Sequence[Watcher], job: Mapping[str, Any]) -> None:
        """The same by several at once, each of which can be looked at meanwhile."""

        async def all_of_them() -> None:
            await asyncio.gather(*(self._watch(job, window) for window in windows))

        asyncio.run(all_of_them())

    async def _watch(self, job: Mapping[str, Any], watched: Watcher) -> None:
        failures = 0
        begun = heard = time.monotonic()
        while (opened := time.monotonic()) < begun + END_SECONDS:
            messages = len(watched.messages)
            try:
                async with asyncio.timeout(begun + END_SECONDS - opened), self.socket(job, watched.cursor) as ws:
                    while True:
                        message = json.loads(await ws.recv())
                        now = time.monotonic()
                        watched.take(message, now, now - heard)
                        heard, failures = now, 0
            except ConnectionClosed as closed:
                watched.close_code = closed.rcvd.code if closed.rcvd else 1006
                if watched.ended or watched.close_code >= FINAL:
                    return
                cause = f"closed with {watched.close_code}"
            except (OSError, InvalidHandshake) as error:  # refused, cut, or answered by the controller itself
                watched.close_code, cause = None, refusal(error)
            now, got = time.monotonic(), len(watched.messages) - messages
            watched.broken.append(Broken(cause, now, opened - begun, now - opened, got))
            await asyncio.sleep(random.uniform(0, min(BACKOFF_MOST, BACKOFF * 2**failures)))
            failures += 1
        watched.silence = max(watched.silence, time.monotonic() - heard)

    async def first_message(self, job: Mapping[str, Any], seconds: float) -> None:
        """Returns when a socket was told of the job."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    async with self.socket(job) as ws:
                        await ws.recv()
                        return
                except (OSError, InvalidHandshake, ConnectionClosed):
                    await asyncio.sleep(kube.ASK_AGAIN_SECONDS)

    def run(self, url: str, **fields: Any) -> Watcher:
        return self.watch(self.post(url, **fields))

    def ended(self, jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The last message of each of them."""
        with ThreadPoolExecutor(len(jobs)) as pool:
            return [watched.data[-1] for watched in pool.map(self.watch, jobs)]

    def close(self) -> None:
        self._http.close()


def tls(trusted: bytes) -> ssl.SSLContext:
    with tempfile.NamedTemporaryFile() as file:
        file.write(trusted)
        file.flush()
        return ssl.create_default_context(cafile=file.name)


def follow(link: str) -> httpx2.Response:
    """The bytes behind a link to the bucket, whose name is the cluster's: asked for through the controller."""
    parts = urlsplit(link)
    host, port = address(INGRESS_HTTP)
    near = f"http://{host}:{port}{parts.path}?{parts.query}"
    return httpx2.get(near, headers={"Host": parts.netloc}, timeout=20, trust_env=False)
