import contextlib
import ssl
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from support.receiver import ACCEPTED, HANG, Receiver, answer
from support.tls import self_signed
from vidferry_worker.network.broker import Broker
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
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0", "localhost"]
)
async def test_inner_addresses_are_refused(host: str) -> None:
    guarded = make_sender(Broker(EgressPolicy((), ())))
    assert await refusal(f"http://{host}:8080/", guarded) is DeliveryError.FORBIDDEN_ADDRESS


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


def endless_head() -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"X-Padding: 1\r\n" * 3000


@pytest.mark.parametrize(
    ("answer_to", "error"),
    [
        (lambda _: HANG, DeliveryError.TIMEOUT),
        (lambda _: b"", DeliveryError.CONNECTION),
        (lambda _: b"HTTP/1.1 200", DeliveryError.CONNECTION),
        (lambda _: b"SSH-2.0-OpenSSH\r\n\r\n", DeliveryError.INVALID_ANSWER),
        (lambda _: endless_head(), DeliveryError.INVALID_ANSWER),
    ],
    ids=["hangs", "closes", "breaks off", "no HTTP", "endless head"],
)
async def test_receivers_that_give_no_answer(
    answer_to: Callable[[object], bytes | None], error: DeliveryError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TOTAL_SECONDS", 0.5 if error is DeliveryError.TIMEOUT else 15.0)
    with Receiver(answer_to) as receiver:
        assert await refusal(receiver.url) is error


async def test_nobody_listens() -> None:
    with Receiver() as receiver:
        pass
    assert await refusal(receiver.url) is DeliveryError.CONNECTION


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 9999999\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"a" * 65536 * 8],
    ids=["never ends", "huge"],
)
async def test_an_answer_counts_whatever_its_body_is_like(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BODY_SECONDS", 0.2)
    with Receiver(lambda _: b"HTTP/1.1 200 OK\r\n" + body) as receiver:
        assert (await make_sender().post(receiver.url, HEADERS, BODY)).status == 200


async def test_a_certificate_has_to_be_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "hooks.example.org")
    trusting = sender.make_tls_context()
    trusting.load_verify_locations(certificate)
    with Receiver(certificate=certificate) as receiver:
        assert await refusal(receiver.url) is DeliveryError.TLS
        assert await refusal(receiver.url.replace("127.0.0.1", "localhost"), make_sender(tls=trusting)) is (
            DeliveryError.TLS
        )
        assert receiver.received == []
        assert (await make_sender(tls=trusting, allow_http=False).post(receiver.url, HEADERS, BODY)).status == 204
