"""All of Vidferry behind Sentinels, while the primary goes: a download goes on, and its watcher sees the end."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from support.origin.site import Site
from support.product import Product
from support.sentinel import SECONDS, SentinelSet, until
from support.watchers import Seen, listen, watch

pytestmark = pytest.mark.anyio


@pytest.fixture
def product(sentinels: SentinelSet, tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path, {}, redis=sentinels) as running:
        yield running


async def post(product: Product, url: str) -> httpx2.Response:
    return await asyncio.to_thread(product.client.post, "/api/download", json={"url": url})


def downloading(seen: Seen) -> bool:
    return seen.messages[-1]["data"]["stage"] == "downloading" if seen.raw else False


async def test_the_primary_is_killed_amid_a_download(product: Product, sentinels: SentinelSet, site: Site) -> None:
    job_id = (await post(product, site.url("/gated/held/clip.mp4"))).json()["job_id"]
    async with connect(product.gateway.uri(job_id)) as socket:
        before = await listen(socket, downloading)
        await asyncio.to_thread(site.gate("held").wait_held)
        sentinels.replicated()
        sentinels.primary.kill()

        refused = await post(product, site.url("/media/clip.mp4"))
        assert (refused.status_code, refused.json()["code"]) == (503, "redis_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await watch(product.gateway.uri(job_id))).code == 1013

        await asyncio.to_thread(sentinels.fail_over)
        await product.gateway.connected(2)
        accepted = await post(product, site.url("/media/clip.mp4"))
        assert accepted.status_code == 202
        site.gate("held").open()
        after = await listen(socket)

    end = after.messages[-1]["data"]
    assert (end["status"], end["attempt"], after.code) == ("completed", 1, 1000)
    assert [*before.seqs, *after.seqs] == sorted({*before.seqs, *after.seqs}), "nothing twice, nothing backwards"
    assert product.job(job_id)["status"] == "completed"
    other = await watch(product.gateway.uri(accepted.json()["job_id"]))
    assert (other.messages[-1]["data"]["status"], other.code) == ("completed", 1000)


async def test_the_primary_is_switched_amid_a_download(product: Product, sentinels: SentinelSet, site: Site) -> None:
    """As before its maintenance: it stays up, takes writes and keeps its connections, until it is made a replica."""
    job_id = (await post(product, site.url("/gated/held/clip.mp4"))).json()["job_id"]
    async with connect(product.gateway.uri(job_id)) as socket:
        await listen(socket, downloading)
        await asyncio.to_thread(site.gate("held").wait_held)
        sentinels.replicated()
        await asyncio.to_thread(sentinels.switch)
        await product.gateway.connected(2)
        await moved(product, sentinels, job_id)
        accepted = await post(product, site.url("/media/clip.mp4"))
        site.gate("held").open()
        after = await listen(socket)
    assert (after.messages[-1]["data"]["status"], after.code) == ("completed", 1000)
    other = await watch(product.gateway.uri(accepted.json()["job_id"]))
    assert (other.messages[-1]["data"]["status"], other.code) == ("completed", 1000)


async def test_connections_tell_whose_they_are_also_after_a_failover(
    product: Product, sentinels: SentinelSet, site: Site
) -> None:
    host = socket.gethostname()
    purposes = ("api:records", "worker:records", "worker:queue", "worker:webhooks", "gateway:messages")
    names = {f"vidferry-{purpose}:{host}" for purpose in purposes}
    job_id = (await post(product, site.url("/media/clip.mp4"))).json()["job_id"]
    await watch(product.gateway.uri(job_id))
    await asyncio.to_thread(until, lambda: own(sentinels) == names, "each connection has its name")
    await asyncio.to_thread(sentinels.switch)
    await product.gateway.connected(2)
    await moved(product, sentinels, job_id)
    await asyncio.to_thread(until, lambda: own(sentinels) == names, "each connection has its name again")


def own(sentinels: SentinelSet) -> set[str]:
    """The names of the connections to the primary that are not the other servers' or this test's."""
    others = ("sentinel-", "client|list")
    clients = [each for each in sentinels.clients() if "S" not in each["flags"]]
    return {each["name"] for each in clients if not each["name"].startswith(others) and each["cmd"] not in others}


async def moved(product: Product, sentinels: SentinelSet, job_id: str) -> None:
    """Until the worker leads at the new primary and looks for downloads there, and the api for a job."""
    async with asyncio.timeout(SECONDS):
        while not {"evalsha", "blpop", "exec"} <= {
            each["cmd"] for each in sentinels.clients() if ":webhooks:" not in each["name"]
        }:
            await asyncio.to_thread(product.client.get, f"/api/jobs/{job_id}")
