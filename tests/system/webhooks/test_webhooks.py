"""Receivers are told of the jobs of their owner, whatever dies meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from support.access import KeysFile, bearer
from support.answers import accepted
from support.jobs import redis_client
from support.origin.site import Site
from support.product import Product, wait_until
from support.receiver import ACCEPTED, HANG, OTHER_SECRET, SECRET, Receiver
from support.records import Records
from support.services import variables
from support.tls import self_signed
from vidferry_common.contract import keys
from vidferry_common.store import Store

LINKS = {"ws_url", "events_url", "thumbnail", "result"}
"""with tickets in a document of the api, and without in an event"""
NEW_SECRET = "whsec_" + "bmV3LXNlY3JldC1vZi1hLXRlc3QuLi4uLi4u"
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
        again = mine.wait_for(4)[-1]
        assert again.id == event_id

        # The secret is rotated while events come: they are signed with both.
        with pytest.raises(WebhookVerificationError):
            again.verify(NEW_SECRET)
        file.path.write_text(file.path.read_text().replace(f'"{SECRET}"', f'"{NEW_SECRET}", "{SECRET}"'))
        product.worker.wait_for("the secrets of webhooks were read", 2)
        product.worker.wait_until(
            lambda: product.client.post(f"{path}/{event_id}/resend", headers=who["team-a"]).status_code == 202
        )
        rotated = mine.wait_for(5)[-1]
        assert rotated.id == event_id
        assert rotated.verify(NEW_SECRET) == rotated.verify(SECRET)
        answered = product.client.get(path, headers=who["team-a"]).text
        stored = asyncio.run(everything(product))
    assert str(job["job_id"]) in stored
    for secret in (SECRET, OTHER_SECRET, NEW_SECRET):
        for written in (product.api.log, product.worker.log, answered, stored):
            assert secret.removeprefix("whsec_") not in written
    for written in (product.api.log, product.worker.log, answered):
        assert "key=1" not in written, "a URL may have a secret of the receiver's"


def test_events_outlive_the_worker_that_sends_them_and_wait_for_no_other_receiver(tmp_path: Path, site: Site) -> None:
    told = variables({"webhook_secrets": SECRET, "webhook_http": "true"})
    with (
        Receiver(lambda _: HANG) as hangs,
        Receiver(host="127.0.0.2") as works,
        Product(tmp_path, {}, environment=told, gateways=0) as product,
    ):
        urls = {"hangs": hangs.url, "dead": "http://127.0.0.3:1/", "works": works.url}
        jobs = {
            name: product.post(site.url("/nothing"), webhook={"url": url, "events": ["job.started", "job.failed"]})
            for name, url in urls.items()
        }
        (first,) = hangs.wait_for(1)
        assert [each.event["type"] for each in works.wait_for(2)] == ["job.started", "job.failed"]
        dead = f"/api/jobs/{jobs['dead']}/deliveries"
        product.worker.wait_until(lambda: product.client.get(dead).json()["events"][0]["attempts"])
        waits = product.client.get(dead).json()["events"][0]
        assert (waits["status"], waits["attempts"][0]["error"]) == ("pending", "connection")
        assert waits["next_attempt_at"]

        product.reached(jobs["hangs"], "failed")
        product.worker.kill()
        seen = len(hangs.received)
        hangs.answer_to = lambda _: ACCEPTED
        product.start_worker()
        asyncio.run(end_hold(product, jobs["hangs"]))
        path = f"/api/jobs/{jobs['hangs']}/deliveries"
        wait_until(lambda: [each["status"] for each in product.client.get(path).json()["events"]] == ["delivered"] * 2)
        again = {each.id: each for each in hangs.received[seen:]}  # at least once
        assert again[first.id].body == first.body
        assert [each.verify()["type"] for each in again.values()] == ["job.started", "job.failed"]


async def end_hold(product: Product, job_id: str) -> None:
    """As if the dead worker's hold were over."""
    async with redis_client(product.redis) as client:
        await client.zadd(keys.DELIVERIES, {job_id: 1}, xx=True)


async def everything(product: Product) -> str:
    """All names and values in Redis."""
    async with redis_client(product.redis) as client:
        return repr(await Records(Store(client, 3600), client).dump())
