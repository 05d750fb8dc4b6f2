"""Links that are signed through IAM, where there is no key."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from support.gcs import Gcs
from support.sources import put
from unit.common.bucket.conftest import OpenGcs
from unit.common.bucket.gcs.links import fetch, gke_environment, link_to_film
from vidferry_common.bucket import StorageDenied, content_disposition
from vidferry_common.bucket.gcs import GcsBucket

pytestmark = pytest.mark.anyio

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


async def test_workload_identity_signs_through_iam(gcs: Gcs) -> None:
    """A process of its own with no key at all, as on GKE."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKLOAD, env=gke_environment(gcs), stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    url, expires_at = json.loads(output)
    assert gcs.layer.kinds().count("sign") == 1
    query = parse_qs(urlsplit(url).query)
    assert query["X-Goog-Credential"][0].startswith(gcs.layer.account.email)
    assert query["X-Goog-Expires"] == ["43200"], "IAM's keys are good for twelve hours"
    assert expires_at - datetime.now(UTC).timestamp() < 43201
    status, headers, body = await asyncio.to_thread(fetch, url)
    assert (status, body) == (200, b"0123456789")
    assert headers["Content-Disposition"] == content_disposition("Ein Film.mp4")


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
    assert (await asyncio.to_thread(fetch, await link_to_film(cloud)))[0] == 200


async def test_signing_in_a_foreign_name_is_denied(
    open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs
) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs, gcs_signer="someone@else")
    with pytest.raises(StorageDenied, match="signBlob"):
        await link_to_film(cloud)


@pytest.mark.parametrize("status", [408, 503])
async def test_iam_that_fails_for_a_moment_is_asked_again(
    open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch, gcs: Gcs, status: int
) -> None:
    cloud = await _without_key(open_gcs, monkeypatch, gcs, gcs_signer=gcs.layer.account.email)
    gcs.layer.faults.add("sign", status=status, times=2)
    assert (await asyncio.to_thread(fetch, await link_to_film(cloud)))[0] == 200
    assert gcs.layer.kinds().count("sign") == 3
