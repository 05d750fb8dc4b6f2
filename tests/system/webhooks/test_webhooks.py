"""Receivers are told of the jobs of their owner, whatever dies meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.access import KeysFile, bearer
from support.answers import accepted
from support.jobs import redis_client
from support.origin.site import Site
from support.product import Product
from support.receiver import ACCEPTED, HANG, OTHER_SECRET, SECRET, Receiver
from support.services import variables
from support.tls import self_signed
from vidferry_common.contract import keys

LINKS = {"ws_url", "events_url", "thumbnail", "result"}
"""with tickets in a document of the api, and without in an event"""
TABLE = '[owners.{}.webhook]\nsecrets = ["{}"]\nurl = "{}"\n'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"), "hooks.example.org")


@pytest.fixture
def receivers(certificate: Path) -> Iterator[tuple[Receiver, Receiver]]:
    with Receiver(certificate=certificate) as one, Receiver(certificate=certificate) as other:
        yield one, other


def test_each_owner_is_told_of_its_own_jobs(
    tmp_path: Path, certificate: Path, receivers: tuple[Receiver, Receiver], site: Site
) -> None:
    mine, theirs = receivers
    table = TABLE.format("team-a", SECRET, mine.url) + TABLE.format("team-b", OTHER_SECRET, theirs.url)
    file = KeysFile(tmp_path / "keys.toml", table)
    who = {owner: bearer(file.add(owner)) for owner in ("team-a", "team-b")}
    told = {**variables(file.settings()), "SSL_CERT_FILE": str(certificate)}
    with Product(tmp_path, {}, environment=told, gateways=0) as product:
        job = accepted(product.client.post("/api/download", json={"url": site.url("/media/clip.mp4")},
                                           headers=who["team-a"]))  # fmt: skip
        got = mine.wait_for(3)
        assert [each.verify(SECRET)["type"] for each in got] == ["job.started", "job.info", "job.completed"]
        assert theirs.received == []
        document = product.client.get(f"/api/jobs/{job['job_id']}", headers=who["team-a"]).json()
        data = got[-1].event["data"]
        same = document.keys() - LINKS - {"history"}
        assert {name: data[name] for name in same} == {name: document[name] for name in same}
        assert "ticket" not in got[-1].body.decode()

        accepted(product.client.post("/api/download", json={"url": site.url("/nothing"), "webhook": {
            "events": ["job.failed"]}}, headers=who["team-b"]))  # fmt: skip
        (failed,) = theirs.wait_for(1)
        assert failed.verify(OTHER_SECRET)["data"]["error"]["code"] == "unavailable"
        assert len(mine.received) == 3

        accepted(product.client.post("/api/batches", json={"urls": ["no URL"], "webhook": {
            "events": ["job.failed", "batch.completed"]}}, headers=who["team-b"]))  # fmt: skip
        both = [each.verify(OTHER_SECRET) for each in theirs.wait_for(3)[1:]]
        assert sorted((each["type"], each["data"]["kind"], each["data"]["error"]["code"]) for each in both) == [
            ("batch.completed", "batch", "invalid_url"), ("job.failed", "download", "invalid_url"),
        ]  # fmt: skip
        assert len(mine.received) == 3

        path = f"/api/jobs/{job['job_id']}/deliveries"
        event_id = got[-1].id
        product.worker.wait_until(
            lambda: (
                [each["status"] for each in product.client.get(path, headers=who["team-a"]).json()["events"]]
                == ["delivered"] * 3
            )
        )
        assert product.client.get(path, headers=who["team-b"]).status_code == 404
        assert product.client.post(f"{path}/{event_id}/resend", headers=who["team-b"]).status_code == 404
        assert product.client.post(f"{path}/{event_id}/resend", headers=who["team-a"]).status_code == 202
        assert mine.wait_for(4)[-1].id == event_id
    for service in (product.api, product.worker):
        assert SECRET not in service.log
        assert "key=1" not in service.log, "a URL may have a secret of the receiver's"


def test_an_event_outlives_the_worker_that_sends_it(tmp_path: Path) -> None:
    told = variables({"webhook_secrets": SECRET, "webhook_http": "true"})
    with Receiver(lambda _: HANG) as receiver, Product(tmp_path, {}, environment=told, gateways=0) as product:
        url = "http://127.0.0.1:1/"
        body = {"url": url, "webhook": {"url": receiver.url, "events": ["job.failed"]}}
        job = accepted(product.client.post("/api/download", json=body))
        (first,) = receiver.wait_for(1)
        product.worker.kill()
        receiver.answer_to = lambda _: ACCEPTED
        product.start_worker()
        asyncio.run(end_hold(product, str(job["job_id"])))
        again = receiver.wait_for(2)[-1]
        assert (again.id, again.body) == (first.id, first.body)
        again.verify()


async def end_hold(product: Product, job_id: str) -> None:
    """As if the dead worker's hold were over."""
    async with redis_client(product.redis) as client:
        await client.zadd(keys.DELIVERIES, {job_id: 1}, xx=True)
