"""The client: its credentials and its connections."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import google.api_core.exceptions
import google.auth._regional_access_boundary_utils
import google.auth.exceptions
import pytest

from support.children import until
from support.faults import Fault, Gate
from support.gcs import Gcs
from support.gcs_rules import Account
from support.sources import NAME, put
from support.tree import DOCS
from unit.common.bucket.conftest import OpenGcs
from unit.common.bucket.gcs.links import gke_environment
from vidferry_common.bucket import StorageDenied, StorageUnavailable
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.threads import THREADS

pytestmark = pytest.mark.anyio

boundary: Any = google.auth._regional_access_boundary_utils  # without types

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


async def test_the_call_that_googles_library_makes_by_itself_is_documented() -> None:
    """Its address and its times are fixed in the library; docs/operations.md tells them."""
    hours, minutes = timedelta(hours=1), timedelta(minutes=1)
    told = " ".join((DOCS / "operations.md").read_text().split())
    assert f"`{boundary.get_service_account_rab_endpoint('ACCOUNT')}`" in told
    lifetime = boundary.DEFAULT_REGIONAL_ACCESS_BOUNDARY_TTL - boundary.REGIONAL_ACCESS_BOUNDARY_REFRESH_THRESHOLD
    assert (lifetime, "about every five hours" in told) == (5 * hours, True)
    pauses = (boundary.DEFAULT_REGIONAL_ACCESS_BOUNDARY_COOLDOWN, boundary.MAX_REGIONAL_ACCESS_BOUNDARY_COOLDOWN)
    assert (pauses, "in 15 minutes up to 6 hours" in told) == ((15 * minutes, 6 * hours), True)


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


async def test_a_closed_port_is_unavailable(open_gcs: OpenGcs, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await open_gcs(gcs_endpoint="http://127.0.0.1:9")
    cloud._options = {**cloud._options, "retry": None}
    with pytest.raises(StorageUnavailable):
        await cloud.check()


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
        sys.executable, "-c", MANY, env=gke_environment(gcs), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    await until(lambda: sum(asked in call.target for call in gcs.layer.calls) >= THREADS)
    gate.open()
    _, log = await process.communicate()
    assert (process.returncode, log.decode()) == (0, "")
