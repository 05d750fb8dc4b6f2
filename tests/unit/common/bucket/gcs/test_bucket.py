"""Cloud Storage: credentials, missing buckets, and the links it serves itself."""

import asyncio
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPResponse
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import google.api_core.exceptions
import google.auth._regional_access_boundary_utils
import google.auth.exceptions
import pytest

from support.children import until
from support.gcs import Gcs
from support.gcs_faults import Fault, Gate
from support.gcs_rules import Account
from support.sources import NAME, put
from support.tree import DOCS
from unit.common.bucket.conftest import OpenGcs
from vidferry_common.bucket import BucketError, StorageDenied, StorageUnavailable, content_disposition
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.gcs.errors import translate_errors
from vidferry_common.bucket.threads import THREADS

pytestmark = pytest.mark.anyio

boundary: Any = google.auth._regional_access_boundary_utils  # without types
auth: Any = google.auth.exceptions  # without types
service: Any = google.api_core.exceptions

WORKLOAD = """
import asyncio, io, json, sys
from vidferry_common.bucket import BucketSettings, Upload, open_bucket

async def main():
    bucket = open_bucket(BucketSettings())
    await bucket.check()
    what = Upload("videos/a", "video/mp4", "Ein Film.mp4")
    stored = await bucket.upload(what, io.BytesIO(b"0123456789"), 10, lambda _: None)
    link = await bucket.sign_link(stored, 6 * 86400)
    await bucket.close()
    print(json.dumps([link.url, link.expires_at.timestamp()]))

asyncio.run(main())
"""

MANY = """
import asyncio, logging
from vidferry_common.bucket import BucketSettings, open_bucket
from vidferry_common.bucket.threads import THREADS

async def main():
    logging.basicConfig(level=logging.WARNING)
    bucket = open_bucket(BucketSettings())
    await asyncio.gather(*(bucket.stat(f"videos/{number}") for number in range(THREADS)))
    await bucket.close()

asyncio.run(main())
"""


def _get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        reply: HTTPResponse
        with urlopen(Request(url, headers=headers), timeout=30) as reply:
            return reply.status, dict(reply.getheaders()), reply.read()
    except HTTPError as error:
        with error:
            return error.code, {}, error.read()


async def _link(cloud: GcsBucket, lifetime: float = 600, filename: str = "فيلم.mp4") -> str:
    stored = await put(cloud, b"0123456789", filename=filename)
    return (await cloud.sign_link(stored, lifetime)).url


async def test_a_link_is_read_in_ranges_under_its_file_name(cloud: GcsBucket) -> None:
    url = await _link(cloud)
    status, headers, body = await asyncio.to_thread(_get, url, Range="bytes=2-5")
    assert (status, body) == (206, b"2345")
    assert headers["Content-Range"] == "bytes 2-5/10"
    assert headers["Content-Disposition"] == content_disposition("فيلم.mp4")
    assert headers["Content-Type"] == "video/mp4"


async def test_a_link_saves_its_object_under_another_name(cloud: GcsBucket) -> None:
    stored = await put(cloud, b"film", filename="Old name.mp4")
    url = (await cloud.sign_link(stored, 600, "فيلم.mp4")).url
    assert parse_qs(urlsplit(url).query)["response-content-disposition"] == [content_disposition("فيلم.mp4")]
    assert (await asyncio.to_thread(_get, url))[0] == 200
    assert (await asyncio.to_thread(_get, url.replace("filename", "filenam")))[0] == 403
    assert "disposition" not in (await cloud.sign_link(stored, 600, "Old name.mp4")).url


async def test_a_link_says_when_it_ends_and_ends_then(cloud: GcsBucket, gcs: Gcs) -> None:
    stored = await put(cloud, b"film")
    before = datetime.now(UTC)
    link = await cloud.sign_link(stored, 600)
    assert 599 <= (link.expires_at - before).total_seconds() <= 601
    gcs.layer.clock_ahead = 598
    assert (await asyncio.to_thread(_get, link.url))[0] == 200
    gcs.layer.clock_ahead = 602
    status, _, body = await asyncio.to_thread(_get, link.url)
    assert (status, b"ExpiredToken" in body) == (400, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("X-Goog-Expires=600", "X-Goog-Expires=6000"), ("best-720p", "best-1080p"), ("&X-Goog-Signature=", "&x=")],
)
async def test_a_changed_link_is_refused(cloud: GcsBucket, old: str, new: str) -> None:
    url = await _link(cloud)
    assert old in url
    assert (await asyncio.to_thread(_get, url.replace(old, new)))[0] == 403


async def test_a_link_is_to_one_generation(cloud: GcsBucket) -> None:
    first = await put(cloud, b"first")
    link = await cloud.sign_link(first, 600)
    await put(cloud, b"second", generation=first.generation)
    assert (await asyncio.to_thread(_get, link.url))[0] == 404


async def test_workload_identity_signs_through_iam(gcs: Gcs) -> None:
    """A process of its own with no key at all, as on GKE."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKLOAD, env=_at_google(gcs), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    url, expires_at = json.loads(output)
    assert gcs.layer.kinds().count("sign") == 1
    query = parse_qs(urlsplit(url).query)
    assert query["X-Goog-Credential"][0].startswith(gcs.layer.account.email)
    assert query["X-Goog-Expires"] == ["43200"], "IAM's keys are good for twelve hours"
    assert expires_at - datetime.now(UTC).timestamp() < 43201
    status, headers, body = await asyncio.to_thread(_get, url)
    assert (status, body) == (200, b"0123456789")
    assert headers["Content-Disposition"] == content_disposition("Ein Film.mp4")


def _at_google(gcs: Gcs) -> dict[str, str]:
    """The environment of a process on GKE."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("GOOGLE_", "GCE_", "VIDFERRY_"))}
    return {**mine, **gcs.environment(workload_identity=True)}


async def _without_key(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs, **settings: str) -> GcsBucket:
    """An emulator gets no credentials; IAM is asked in the name of the account in the settings."""
    gcs.layer.rules.authentication = False
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    return await open_gcs(**settings)


async def test_an_emulator_gets_no_credentials(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs)
    stored = await put(cloud, b"film")
    with pytest.raises(StorageDenied, match="VIDFERRY_GCS_SIGNER"):
        await cloud.sign_link(stored, 600)


async def test_the_signer_in_the_settings_is_used(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs, gcs_signer=gcs.layer.account.email)
    assert (await asyncio.to_thread(_get, await _link(cloud)))[0] == 200


async def test_signing_in_a_foreign_name_is_denied(
    open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs
) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs, gcs_signer="someone@else")
    with pytest.raises(StorageDenied, match="signBlob"):
        await _link(cloud)


@pytest.mark.parametrize("status", [408, 503])
async def test_iam_that_fails_for_a_moment_is_asked_again(
    open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs, status: int
) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs, gcs_signer=gcs.layer.account.email)
    gcs.layer.faults.add("sign", status=status, times=2)
    assert (await asyncio.to_thread(_get, await _link(cloud)))[0] == 200
    assert gcs.layer.kinds().count("sign") == 3


async def test_the_call_that_googles_library_makes_by_itself_is_documented() -> None:
    """Its address and its times are fixed in the library; docs/operations.md tells them."""
    hours, minutes = timedelta(hours=1), timedelta(minutes=1)
    told = " ".join((DOCS / "operations.md").read_text().split())
    assert f"`{boundary.get_service_account_rab_endpoint('ACCOUNT')}`" in told
    lifetime = boundary.DEFAULT_REGIONAL_ACCESS_BOUNDARY_TTL - boundary.REGIONAL_ACCESS_BOUNDARY_REFRESH_THRESHOLD
    assert (lifetime, "about every five hours" in told) == (5 * hours, True)
    pauses = (boundary.DEFAULT_REGIONAL_ACCESS_BOUNDARY_COOLDOWN, boundary.MAX_REGIONAL_ACCESS_BOUNDARY_COOLDOWN)
    assert (pauses, "in 15 minutes up to 6 hours" in told) == ((15 * minutes, 6 * hours), True)


async def test_a_missing_bucket_is_said_so(open_gcs: OpenGcs) -> None:
    cloud = await open_gcs(name="no-such-bucket")
    for call in (cloud.check(), cloud.stat(NAME), put(cloud, b"film"), cloud.read(NAME, 9), cloud.delete(NAME, 1)):
        with pytest.raises(StorageDenied, match="bucket"):
            await call


@pytest.mark.parametrize("kind", ["read", "list", "delete"])
@pytest.mark.parametrize(
    ("status", "error"),
    [(403, StorageDenied), (401, StorageDenied), (408, StorageUnavailable), (503, StorageUnavailable)],
)
async def test_refusals_are_told_apart(
    open_gcs: OpenGcs, gcs: Gcs, kind: str, status: int, error: type[Exception]
) -> None:
    cloud = await open_gcs()
    cloud._options = {**cloud._options, "retry": None}
    gcs.layer.faults.add(kind, status=status, times=100)
    calls = {"read": partial(cloud.stat, NAME), "list": cloud.check, "delete": partial(cloud.delete, NAME, 1)}
    call = cast("Callable[[], Awaitable[object]]", calls[kind])
    with pytest.raises(error):
        await call()


@pytest.mark.parametrize("status", [408, 503])
async def test_a_call_that_fails_for_a_moment_is_tried_again(cloud: GcsBucket, gcs: Gcs, status: int) -> None:
    stored = await put(cloud, b"film")
    gcs.layer.faults.add("read", "media", "delete", "list", status=status, times=2)
    assert await cloud.stat(NAME) == stored
    gcs.layer.faults.add("media", status=status)
    assert (await cloud.read(NAME, 4))[1] == b"film"
    gcs.layer.faults.add("delete", status=status)
    await cloud.delete(NAME, stored.generation)


async def test_a_key_the_service_does_not_know_is_denied(
    open_gcs: OpenGcs, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs.key_file.with_name("foreign.json").write_text(Account().key_file())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(gcs.key_file.with_name("foreign.json")))
    cloud = await open_gcs()
    with pytest.raises(StorageDenied):
        await cloud.check()


async def test_a_missing_key_file_is_denied(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")
    cloud = await open_gcs()
    for call in (cloud.check(), put(cloud, b"film"), cloud.stat(NAME)):
        with pytest.raises(StorageDenied, match=r"key\.json"):
            await call


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (auth.RefreshError("invalid_grant"), StorageDenied),
        (auth.RefreshError("internal_failure", retryable=True), StorageUnavailable),
        (auth.RefreshError(auth.TransportError("metadata server")), StorageUnavailable),
        (auth.TransportError("no route"), StorageUnavailable),
        (service.RetryError("too long", service.TooManyRequests("slow down")), StorageUnavailable),
        (service.BadRequest("odd"), BucketError),
        (ConnectionResetError(104, "https://host/upload?upload_id=secret"), StorageUnavailable),
    ],
    ids=repr,
)
def test_googles_errors_become_ours(error: Exception, ours: type[BucketError]) -> None:
    with pytest.raises(BucketError) as caught, translate_errors("films"):
        raise error
    assert type(caught.value) is ours
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_a_closed_port_is_unavailable(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await open_gcs(gcs_endpoint="http://127.0.0.1:9")
    cloud._options = {**cloud._options, "retry": None}
    with pytest.raises(StorageUnavailable):
        await cloud.check()


async def test_a_prefix_is_part_of_every_name(open_gcs: OpenGcs, cloud: GcsBucket) -> None:
    within = await open_gcs(prefix="team/a")
    stored = await put(within, b"film")
    assert stored.name == NAME
    assert await within.stat(NAME) == stored
    assert await cloud.stat(NAME) is None
    outside = await cloud.stat(f"team/a/{NAME}")
    assert outside is not None
    assert outside.generation == stored.generation
    assert (await asyncio.to_thread(_get, (await within.sign_link(stored, 60)).url))[2] == b"film"
    await within.delete(NAME, stored.generation)
    assert await cloud.stat(f"team/a/{NAME}") is None


async def test_each_thread_keeps_its_connection(cloud: GcsBucket, gcs: Gcs, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gcs.layer.faults.add("read", "begin", gate=gate, times=2 * THREADS)
    calls = [asyncio.create_task(cloud.stat(NAME)) for _ in range(THREADS)]
    calls += [asyncio.create_task(put(cloud, b"film", f"{NAME}-{number}")) for number in range(THREADS)]
    await until(lambda: len(gcs.layer.calls) >= 2 * THREADS)
    gate.open()
    await asyncio.gather(*calls)
    assert not [text for text in caplog.messages if "pool is full" in text]


async def test_each_thread_keeps_its_connection_to_where_tokens_come_from(gcs: Gcs) -> None:
    """As where a token has ended: all that call then fetch a new one."""
    gate, asked = Gate(), "service-accounts/default/token"
    gcs.layer.faults.put(Fault(lambda call: call.target.split("?")[0].endswith(asked), gate=gate, times=THREADS))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MANY, env=_at_google(gcs), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await until(lambda: sum(asked in call.target for call in gcs.layer.calls) >= THREADS)
    gate.open()
    _, log = await process.communicate()
    assert (process.returncode, log.decode()) == (0, "")
