"""Cloud Storage: missing buckets, refusals, and the links it serves itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest

from support.gcs import Gcs
from support.sources import NAME, put
from unit.common.bucket.conftest import OpenGcs
from unit.common.bucket.gcs.links import fetch, link_to_film
from vidferry_common.bucket import StorageDenied, content_disposition
from vidferry_common.bucket.gcs import GcsBucket

pytestmark = pytest.mark.anyio


async def test_a_link_is_read_in_ranges_under_its_file_name(cloud: GcsBucket) -> None:
    url = await link_to_film(cloud)
    status, headers, body = await asyncio.to_thread(fetch, url, Range="bytes=2-5")
    assert (status, body) == (206, b"2345")
    assert headers["Content-Range"] == "bytes 2-5/10"
    assert headers["Content-Disposition"] == content_disposition("فيلم.mp4")
    assert headers["Content-Type"] == "video/mp4"


async def test_a_link_saves_its_object_under_another_name(cloud: GcsBucket) -> None:
    stored = await put(cloud, b"film", filename="Old name.mp4")
    url = (await cloud.sign_link(stored, 600, "فيلم.mp4")).url
    assert parse_qs(urlsplit(url).query)["response-content-disposition"] == [content_disposition("فيلم.mp4")]
    assert (await asyncio.to_thread(fetch, url))[0] == 200
    assert (await asyncio.to_thread(fetch, url.replace("filename", "filenam")))[0] == 403
    assert "disposition" not in (await cloud.sign_link(stored, 600, "Old name.mp4")).url


async def test_a_link_says_when_it_ends_and_ends_then(cloud: GcsBucket, gcs: Gcs) -> None:
    stored = await put(cloud, b"film")
    before = datetime.now(UTC)
    link = await cloud.sign_link(stored, 600)
    assert 599 <= (link.expires_at - before).total_seconds() <= 601
    gcs.layer.clock_ahead = 598
    assert (await asyncio.to_thread(fetch, link.url))[0] == 200
    gcs.layer.clock_ahead = 602
    status, _, body = await asyncio.to_thread(fetch, link.url)
    assert (status, b"ExpiredToken" in body) == (400, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("X-Goog-Expires=600", "X-Goog-Expires=6000"), ("best-720p", "best-1080p"), ("&X-Goog-Signature=", "&x=")],
)
async def test_a_changed_link_is_refused(cloud: GcsBucket, old: str, new: str) -> None:
    url = await link_to_film(cloud)
    assert old in url
    assert (await asyncio.to_thread(fetch, url.replace(old, new)))[0] == 403


async def test_a_link_is_to_one_version(cloud: GcsBucket) -> None:
    first = await put(cloud, b"first")
    link = await cloud.sign_link(first, 600)
    await put(cloud, b"second", version=first.version)
    assert (await asyncio.to_thread(fetch, link.url))[0] == 404


async def test_a_missing_bucket_is_said_so(open_gcs: OpenGcs) -> None:
    cloud = await open_gcs(name="no-such-bucket")
    for call in (cloud.check(), cloud.stat(NAME), put(cloud, b"film"), cloud.read(NAME, 9), cloud.delete(NAME, "1")):
        with pytest.raises(StorageDenied, match="bucket"):
            await call


@pytest.mark.parametrize("kind", ["read", "list", "delete"])
async def test_a_refusal_is_told(open_gcs: OpenGcs, gcs: Gcs, kind: str) -> None:
    cloud = await open_gcs()
    gcs.layer.faults.add(kind, status=403, times=100)
    calls = {"read": partial(cloud.stat, NAME), "list": cloud.check, "delete": partial(cloud.delete, NAME, "1")}
    call = cast("Callable[[], Awaitable[object]]", calls[kind])
    with pytest.raises(StorageDenied):
        await call()


@pytest.mark.parametrize("status", [408, 503])
async def test_a_call_that_fails_for_a_moment_is_tried_again(cloud: GcsBucket, gcs: Gcs, status: int) -> None:
    stored = await put(cloud, b"film")
    gcs.layer.faults.add("read", "media", "delete", "list", status=status, times=2)
    assert await cloud.stat(NAME) == stored
    gcs.layer.faults.add("media", status=status)
    assert (await cloud.read(NAME, 4))[1] == b"film"
    gcs.layer.faults.add("delete", status=status)
    await cloud.delete(NAME, stored.version)


async def test_a_prefix_is_part_of_every_name(open_gcs: OpenGcs, cloud: GcsBucket) -> None:
    within = await open_gcs(prefix="team/a")
    stored = await put(within, b"film")
    assert stored.name == NAME
    assert await within.stat(NAME) == stored
    assert await cloud.stat(NAME) is None
    outside = await cloud.stat(f"team/a/{NAME}")
    assert outside is not None
    assert outside.version == stored.version
    assert (await asyncio.to_thread(fetch, (await within.sign_link(stored, 60)).url))[2] == b"film"
    await within.delete(NAME, stored.version)
    assert await cloud.stat(f"team/a/{NAME}") is None


async def test_an_object_is_read_from_the_endpoint_of_the_settings(cloud: GcsBucket, gcs: Gcs) -> None:
    """Not from where its mediaLink leads, which here is the service behind the layer."""
    stored = await put(cloud, b"film")
    gate = gcs.layer.faults.hold("media")
    reading = asyncio.create_task(cloud.read(NAME, 100))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    gate.open()
    assert await reading == (stored, b"film")
