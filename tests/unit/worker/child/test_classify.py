"""What yt-dlp raises, as a code: by real servers, and by what its parts raise."""

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, SSLError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, RegexNotFoundError

from support.children import download
from support.origin.server import Origin
from support.origin.site import Site
from support.origin.wire import text
from support.tls import self_signed
from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.child.channel import ForbiddenAddress
from vidferry_worker.child.classify import classify_error, code_of_status
from vidferry_worker.children.zygote import Zygote

pytestmark = pytest.mark.anyio


@contextmanager
def handshakes(context: ssl.SSLContext | None) -> Iterator[int]:
    """The port of a server that shakes hands and hangs up, or without a context hangs up at once.

    By blocking sockets, since asyncio's servers send no alert.
    """

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = listener.accept()
                with connected, contextlib.suppress(OSError):
                    if context:
                        context.wrap_socket(connected, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def old_context(certificate: Path) -> ssl.SSLContext:
    """Of a server that knows TLS 1.0 alone."""
    context = server_context(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
@pytest.mark.parametrize(
    ("certificate", "context"),
    [
        ({}, server_context),
        ({"address": "127.0.0.9"}, server_context),
        ({}, old_context),
    ],
    ids=["self-signed", "another-name", "old-tls"],
)
async def test_a_site_that_cannot_be_trusted_is_told_so(
    certificate: dict[str, Any], context: Any, zygote: Zygote, tmp_path: Path
) -> None:
    pem = await asyncio.to_thread(self_signed, tmp_path, "site.example", **certificate)
    with handshakes(context(pem)) as port:
        outcome = await download(zygote, tmp_path, f"https://127.0.0.1:{port}/clip.mp4")

    assert outcome.failure == ErrorCode.CERTIFICATE_INVALID, outcome.events[-1]


async def test_so_is_one_that_speaks_plain_text_on_that_port(zygote: Zygote, site: Site, tmp_path: Path) -> None:
    outcome = await download(zygote, tmp_path, site.url("/media/clip.mp4").replace("http:", "https:"))

    assert outcome.failure == ErrorCode.CERTIFICATE_INVALID, outcome.events[-1]


async def test_a_handshake_that_breaks_off_is_the_networks(zygote: Zygote, tmp_path: Path) -> None:
    with handshakes(None) as port:
        outcome = await download(zygote, tmp_path, f"https://127.0.0.1:{port}/clip.mp4")

    assert outcome.failure == ErrorCode.NETWORK, outcome.events[-1]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("CERTIFICATE_VERIFY_FAILED", ErrorCode.CERTIFICATE_INVALID),
        ("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", ErrorCode.CERTIFICATE_INVALID),
        ("PROTOCOL_IS_SHUTDOWN", ErrorCode.NETWORK),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", ErrorCode.CERTIFICATE_INVALID),
        ("TLSV1_UNRECOGNIZED_NAME", ErrorCode.CERTIFICATE_INVALID),
        ("DH_KEY_TOO_SMALL", ErrorCode.CERTIFICATE_INVALID),
        ("UNEXPECTED_EOF_WHILE_READING", ErrorCode.NETWORK),
        ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", ErrorCode.NETWORK),
        ("TLSV1_ALERT_INTERNAL_ERROR", ErrorCode.NETWORK),
    ],
)
def test_what_passes_of_tls_and_what_does_not(reason: str, code: ErrorCode) -> None:
    error = ssl.SSLError(1, f"[SSL: {reason}] EOF occurred in violation of protocol (_ssl.c:1006)")
    error.reason = reason

    assert classify_error(SSLError(cause=error)) is code
    assert classify_error(CertificateVerifyError(cause="no chain")) is ErrorCode.CERTIFICATE_INVALID


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (103, ErrorCode.ORIGIN_ERROR),
        (401, ErrorCode.LOGIN_REQUIRED),
        (404, ErrorCode.UNAVAILABLE),
        (408, ErrorCode.ORIGIN_ERROR),
        (410, ErrorCode.UNAVAILABLE),
        (416, ErrorCode.ORIGIN_ERROR),
        (421, ErrorCode.ORIGIN_ERROR),
        (425, ErrorCode.ORIGIN_ERROR),
        (429, ErrorCode.RATE_LIMITED),
        (451, ErrorCode.GEO_BLOCKED),
        (500, ErrorCode.ORIGIN_ERROR),
        (599, ErrorCode.ORIGIN_ERROR),
        (400, ErrorCode.REFUSED),
        (402, ErrorCode.REFUSED),
        (403, ErrorCode.REFUSED),
    ],
)
def test_statuses(status: int, code: ErrorCode) -> None:
    assert code_of_status(status) is code


def raised(code: str, module: str) -> Exception:
    """What a function of that module raises."""
    function = FunctionType(compile(code, "there", "exec"), {"__name__": module})
    try:
        function()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError


@pytest.mark.parametrize("code", ["{}['streams']", "int('5, 5')", "None.group(1)", "[][0]", "{} + []"])
@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("yt_dlp.extractor.some", ErrorCode.EXTRACTOR_OUTDATED),
        ("yt_dlp.extractor.generic", ErrorCode.ORIGIN_ERROR),
        ("yt_dlp.downloader.some", ErrorCode.ORIGIN_ERROR),
        ("vidferry_worker.child.patches.some", ErrorCode.ORIGIN_ERROR),
        ("vidferry_worker.child.download", ErrorCode.INTERNAL),
        ("some.library", ErrorCode.INTERNAL),
    ],
)
def test_what_a_site_sent_and_what_is_our_own_fault(code: str, module: str, expected: ErrorCode) -> None:
    assert classify_error(raised(code, module)) is expected


@pytest.mark.parametrize(
    ("error", "extractor", "code"),
    [
        (ExtractorError("An extractor error has occurred", cause=KeyError("login")), "s", ErrorCode.EXTRACTOR_OUTDATED),
        (ExtractorError("s: Failed to parse JSON", cause=ValueError("drm")), "s", ErrorCode.EXTRACTOR_OUTDATED),
        (RegexNotFoundError("Unable to extract private video"), "s", ErrorCode.EXTRACTOR_OUTDATED),
        (ExtractorError("No video formats found!"), "s", ErrorCode.EXTRACTOR_OUTDATED),
        (ExtractorError("No video formats found!"), "generic", ErrorCode.UNSUPPORTED_SITE),
        (ExtractorError("Failed to parse XML", cause=ValueError("x")), "generic", ErrorCode.ORIGIN_ERROR),
        (ExtractorError("This video is private", cause=KeyError("x")), "s", ErrorCode.PRIVATE),
        (ExtractorError("The server sent something else", expected=True), "s", ErrorCode.UNSUPPORTED_SITE),
    ],
)  # fmt: skip
def test_what_yt_dlp_takes_for_a_bug_of_its_own(error: ExtractorError, extractor: str, code: ErrorCode) -> None:
    error.ie = extractor

    assert classify_error(error) is code


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("yt_dlp.extractor.some", ErrorCode.EXTRACTOR_OUTDATED),
        ("vidferry_worker.child.patches.some", ErrorCode.ORIGIN_ERROR),
        ("vidferry_worker.child.titles", ErrorCode.INTERNAL),
    ],
)
def test_a_bug_of_ours_within_an_extraction_is_no_extractors(module: str, code: ErrorCode) -> None:
    error = ExtractorError("An extractor error has occurred.", cause=raised("{}['streams']", module), ie="some")

    assert classify_error(error) is code


def respond(status: int, reason: str = "") -> HTTPError:
    return HTTPError(Response(BytesIO(), "https://site.example/", {}, status=status, reason=reason))


def test_what_an_extractor_concludes_from_a_status_comes_before_it() -> None:
    refusal = ExtractorError(f"Unable to download JSON metadata: {respond(403)}", cause=respond(403))
    conclusion = ExtractorError("This video is only available to premium users", expected=True)
    conclusion.__context__ = refusal

    assert classify_error(DownloadError("it failed", (ExtractorError, conclusion, None))) is ErrorCode.PREMIUM_ONLY
    assert classify_error(refusal) is ErrorCode.REFUSED


def test_no_title_and_no_reason_phrase_is_taken_for_what_a_site_states() -> None:
    gone = respond(404, "Private video removed, captcha, DRM")
    titled = [
        'Channel "Sign in to Premium: private, DRM and copyright" not found',
        "Video “Age-restricted: rate limit exceeded” does not exist",
        "https://site.example/captcha/members-only is unavailable",
    ]

    assert classify_error(ExtractorError(f"Unable to download webpage: {gone}", cause=gone)) is ErrorCode.UNAVAILABLE
    assert [classify_error(ExtractorError(each, expected=True)) for each in titled] == [ErrorCode.UNAVAILABLE] * 3


def test_what_the_broker_refused_is_told_so_whatever_an_extractor_makes_of_it() -> None:
    error = ExtractorError("This video is private", expected=True)
    error.__context__ = ForbiddenAddress("10.0.0.1")

    assert classify_error(error) is ErrorCode.FORBIDDEN_ADDRESS


def test_what_this_machine_lacks_is_no_sites_fault() -> None:
    assert classify_error(raised(f"raise OSError({errno.EACCES}, 'no')", "yt_dlp.utils")) is ErrorCode.INTERNAL


@pytest.mark.parametrize("code", ["raise MemoryError", f"raise OSError({errno.ENOMEM}, 'no')", "1 / 0"])
def test_what_takes_too_much_memory_is_final(code: str) -> None:
    error = ConnectionResetError("reset by peer")
    error.__context__ = raised(code, "yt_dlp.utils")
    expected = ErrorCode.NETWORK if "/" in code else ErrorCode.RESOURCES_EXCEEDED

    assert classify_error(error) is expected
    assert not ErrorCode.RESOURCES_EXCEEDED.retryable


def test_what_is_given_up_without_a_broken_connection_is_not_the_networks() -> None:
    reset = TransportError("reset by peer")

    assert classify_error(DownloadError("gave up", (TransportError, reset, None))) is ErrorCode.NETWORK
    assert classify_error(DownloadError("Did not get any data blocks")) is ErrorCode.UNSUPPORTED_STREAM
    assert classify_error(DownloadError("This format is DRM protected")) is ErrorCode.DRM
    assert classify_error(DownloadError("fragment 3 not found, unable to continue")) is ErrorCode.ORIGIN_ERROR


@pytest.mark.parametrize("answer", ["[]", "<html>"])
async def test_what_an_extractor_stumbles_over(
    answer: str, zygote: Zygote, origin: Origin, site: Site, tmp_path: Path
) -> None:
    """In whatever way: by Python's own errors, or as JSON that is none."""
    site.put("/service/GetPlayerOptions", text(answer, "json"))
    page = text(f'<div id="ServicePath">{site.url("/service")}</div>', "html")
    url = origin.root.put(f"/Mediasite/Play/{site.token:0>32}", page)
    outcome = await download(zygote, tmp_path, url)

    assert outcome.failure == ErrorCode.EXTRACTOR_OUTDATED, outcome.events[-1]
    assert outcome.events[-1]["yt_dlp_version"] == version("yt-dlp")
