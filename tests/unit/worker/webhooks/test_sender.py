import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from support.receiver import ACCEPTED, HANG, Answer, Receiver, answer
from support.tls import self_signed
from vidferry_worker.network import resolver
from vidferry_worker.network.broker import Broker
from vidferry_worker.network.dial import Address
from vidferry_worker.network.egress import EgressPolicy
from vidferry_worker.webhooks import sender
from vidferry_worker.webhooks.sender import DeliveryError, NotDelivered, WebhookSender

pytestmark = pytest.mark.anyio

HEADERS = [("Content-Type", "application/json"), ("Webhook-Id", "evt_1")]
BODY = b'{"type":"job.completed"}'
HERE = Broker(EgressPolicy([ip_network("127.0.0.0/8")], ()))


def make_sender(broker: Broker = HERE, tls: ssl.SSLContext | None = None, *, allow_http: bool = True) -> WebhookSender:
    return WebhookSender(broker, tls or sender.make_tls_context(), allow_http=allow_http)


async def refusal(url: str, sends: WebhookSender | None = None) -> DeliveryError:
    with pytest.raises(NotDelivered) as refused:
        await (sends or make_sender()).post(url, HEADERS, BODY)
    return refused.value.error


async def test_a_post_arrives_as_it_is() -> None:
    with Receiver(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED) as receiver:
        told = await make_sender().post(receiver.url, HEADERS, BODY)
    (received,) = receiver.received
    assert (told.status, told.retry_after) == (204, None)
    assert (received.target, received.body) == ("/hook?key=1", BODY)
    assert received.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "webhook-id": "evt_1",
        "content-length": str(len(BODY)),
        "connection": "close",
    }


async def test_no_redirect_is_followed() -> None:
    with Receiver() as inner, Receiver(lambda _: answer(307, f"Location: {inner.url}", "Retry-After: 7")) as receiver:
        told = await make_sender().post(receiver.url, HEADERS, BODY)
    assert (told.status, told.retry_after, inner.received) == (307, 7, [])


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0.0.0.0", "localhost"),
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[2001:db8::1]"),
    ],
)
async def test_inner_addresses_are_refused(host: str) -> None:
    guarded = make_sender(Broker(EgressPolicy((), ()), dial_nothing))
    assert await refusal(f"https://{host}:8443/", guarded) is DeliveryError.FORBIDDEN_ADDRESS


async def dial_nothing(address: Address) -> socket.socket:
    raise AssertionError(address)


async def test_a_name_leads_only_to_addresses_that_were_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it leads elsewhere each time that it is looked up."""
    answers: Iterator[list[str]] = iter([["198.41.0.4"], ["127.0.0.1"], ["10.0.0.1", "198.41.0.4", "::1"]])
    dialled: list[str] = []

    def look_up(host: str, port: int, flags: int = 0) -> list[tuple[Any, ...]]:
        if flags:  # whether it is an address
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in next(answers)]

    async def dial(address: Address) -> socket.socket:
        dialled.append(address.host)
        raise ConnectionRefusedError

    monkeypatch.setattr(resolver, "_getaddrinfo", look_up)
    guarded = make_sender(Broker(EgressPolicy((), ()), dial))
    told = [await refusal("https://rebind.example/", guarded) for _ in range(3)]
    assert told == [DeliveryError.CONNECTION, DeliveryError.FORBIDDEN_ADDRESS, DeliveryError.CONNECTION]
    assert dialled == ["198.41.0.4"] * 2


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "ftp://127.0.0.1/",
        "https://user:password@127.0.0.1/",
        "https:///path",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1/ HTTP/1.1",
        "https://[::1/",
        "",
    ],
)
async def test_urls_that_no_request_is_made_of(url: str) -> None:
    assert await refusal(url, make_sender(allow_http=False)) is DeliveryError.INVALID_URL


async def test_a_url_injects_no_header() -> None:
    with Receiver() as receiver:
        root = receiver.url.removesuffix("hook?key=1")
        for path in ("a\r\nX-Injected: 1\r\n\r\n", "a\nX-Injected: 1", "?b\r\nX-Injected: 1"):
            with contextlib.suppress(NotDelivered):
                await make_sender().post(root + path, HEADERS, BODY)
    assert not [each for each in receiver.received if "x-injected" in each.headers]


OK = b"HTTP/1.1 200 OK\r\n"


def endless(begin: bytes, piece: bytes) -> Answer:
    def make(_: object) -> Iterable[bytes]:
        return chain([begin], repeat(piece))

    return make


@pytest.mark.parametrize(
    ("answer_to", "error"),
    [
        (lambda _: HANG, DeliveryError.TIMEOUT),
        (lambda _: b"", DeliveryError.CONNECTION),
        (lambda _: b"HTTP/1.1 200", DeliveryError.CONNECTION),
        (lambda _: b"SSH-2.0-OpenSSH\r\n\r\n", DeliveryError.INVALID_ANSWER),
        (lambda _: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", DeliveryError.INVALID_ANSWER),
        (endless(OK, b"X-Padding: 1\r\n" * 100), DeliveryError.INVALID_ANSWER),
        (endless(OK + b"X-Padding: ", b"x" * 4096), DeliveryError.INVALID_ANSWER),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), DeliveryError.INVALID_ANSWER),
        (endless(OK, b"X: 1\r\n"), DeliveryError.TIMEOUT),
    ],
    ids=["hangs", "closes", "breaks off", "no HTTP", "switches", "many fields", "long field", "interim", "slow head"],
)
async def test_receivers_that_give_no_answer(
    answer_to: Answer, error: DeliveryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 0.5 if error is DeliveryError.TIMEOUT else 15.0)
    with Receiver(answer_to) as receiver:
        assert await refusal(receiver.url) is error


async def test_a_receiver_that_answers_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 0.5)
    with Receiver() as receiver:
        assert await refusal(receiver.url.replace("http:", "https:")) is DeliveryError.TIMEOUT


async def test_nobody_listens() -> None:
    with Receiver() as receiver:
        pass
    assert await refusal(receiver.url) is DeliveryError.CONNECTION


@pytest.mark.parametrize(
    ("answer_to", "seconds"),
    [
        (lambda _: OK + b"Content-Length: 9999999\r\n\r\nabc", 0.2),
        (endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"), 0.2),
        (endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"a" * 0x4000 + b"\r\n"), 60),
        (endless(OK + b"Content-Encoding: gzip\r\nContent-Length: 99999999999\r\n\r\n", b"\x1f\x8b" * 8192), 60),
        (lambda _: OK + b"Transfer-Encoding: chunked\r\n\r\nno length", 60),
    ],
    ids=["breaks off", "slow", "endless", "packed", "broken"],
)
async def test_an_answer_counts_whatever_its_body_is_like(
    answer_to: Answer, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "BODY_SECONDS", seconds)
    began = time.monotonic()
    with Receiver(answer_to) as receiver:
        assert (await make_sender().post(receiver.url, HEADERS, BODY)).status == 200
    assert time.monotonic() - began < 10


async def test_a_certificate_has_to_be_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "hooks.example.org")
    expired_folder = tmp_path / "expired"
    expired_folder.mkdir()
    trusting = sender.make_tls_context()
    trusting.load_verify_locations(certificate)
    with Receiver(certificate=certificate) as receiver:
        assert await refusal(receiver.url) is DeliveryError.TLS
        assert await refusal(receiver.url.replace("127.0.0.1", "localhost"), make_sender(tls=trusting)) is (
            DeliveryError.TLS
        )
        expired = Receiver(certificate=self_signed(expired_folder, "hooks.example.org", days=-0.5))
        with expired:
            believing = sender.make_tls_context()
            believing.load_verify_locations(expired_folder / "certificate.pem")
            assert await refusal(expired.url, make_sender(tls=believing)) is DeliveryError.TLS
        assert receiver.received == expired.received == []
        assert (await make_sender(tls=trusting, allow_http=False).post(receiver.url, HEADERS, BODY)).status == 204
