"""What the last release does not know, while it runs beside the tree: batches, probes and webhooks.

`one` is the release here, and `other` the tree.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.answers import accepted, problem
from support.jobs import redis_client
from support.origin.site import Site
from support.product import Product
from support.receiver import Receiver
from support.records import of
from system.update.conftest import Pair, start_worker
from vidferry_common.contract import keys
from vidferry_worker.batches.maker import IDLE_SECONDS

pytestmark = [pytest.mark.update, pytest.mark.timeout(600), pytest.mark.xdist_group("update")]

HELD = "/gated/look/clip.mp4?at=0"
"""a file that sends nothing until its gate is opened"""


@pytest.fixture
def beside(running: Pair) -> Iterator[Pair]:
    with running.one.crew(), running.other.crew():
        yield running


def post(product: Product, path: str, **body: Any) -> str:
    return str(accepted(product.client.post(path, json=body))["job_id"])


def children(product: Product, batch: str) -> list[dict[str, Any]]:
    answer = product.client.get("/api/jobs", params={"batch": batch})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["jobs"])


def deliveries(product: Product, job_id: str) -> dict[str, Any]:
    answer = product.client.get(f"/api/jobs/{job_id}/deliveries")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@contextmanager
def occupied(tree: Product, site: Site) -> Iterator[None]:
    """Has the one worker of the tree hold a download, so that only the release's takes others."""
    start_worker(tree, worker_slots="1")
    job = tree.post(site.url("/gated/busy/clip.mp4"))
    site.gate("busy").wait_held()
    yield
    site.gate("busy").open()
    tree.until(job, lambda job: job["status"] == "completed")


def pass_idle_time(pair: Pair, batch: str) -> None:
    """As if the batch had told nothing for so long that a worker counts its jobs anew."""

    async def move() -> None:
        async with redis_client(pair.one.redis) as client:
            told = float(await of(client.hget(keys.BATCH + batch, "told")) or 0)
            await of(client.hset(keys.BATCH + batch, "told", str(told - IDLE_SECONDS * 1000)))
            await client.zadd(keys.BATCHES, {batch: 1}, xx=True)
            await of(client.rpush(keys.BATCHES + keys.TASK_DOORBELL, ""))

    asyncio.run(move())


def test_a_batch_whose_jobs_the_release_runs(beside: Pair, site: Site) -> None:
    """They are plain downloads to it. Both tell the batch's end, with counts and sums that are right."""
    release, tree = beside.both
    with occupied(tree, site):
        start_worker(release)
        urls = [site.url("/media/clip.mp4"), "no URL", site.url("/nothing"), site.url("/media/clip.mp4?other")]
        batch = post(tree, "/api/batches", urls=urls)
        watchers = beside.follow(batch)
        tree.until(batch, lambda job: job["batch"]["counts"]["made"] == len(urls))
        for child in children(tree, batch):
            ended = tree.until(child["job_id"], lambda job: job["status"] in {"completed", "failed"})
            assert release.job(child["job_id"])["status"] == ended["status"]
        assert tree.job(batch)["status"] in {"queued", "processing"}, "nobody has counted the release's"
        pass_idle_time(beside, batch)

        last, same = (watcher.end() for watcher in watchers)
        assert last == same
        counts = last["batch"]["counts"]
        assert (last["status"], counts["completed"], counts["failed"], counts["total"]) == ("completed", 2, 2, 4)
        found = children(tree, batch)
        assert last["batch"]["size"] == sum(child["result"]["size"] for child in found if "result" in child)
        assert [child["parent"] for child in found] == [{"batch": batch, "index": index} for index in range(1, 5)]
        read = release.job(batch)
        assert {name: read[name] for name in ("status", "kind", "batch")} == {
            name: last[name] for name in ("status", "kind", "batch")
        }
        problem(release.client.get(f"/api/jobs/{batch}/file"), 410, "object_gone")


def test_a_batch_whose_jobs_both_cancel(beside: Pair, site: Site) -> None:
    """The release's api cancels one of them, and can't cancel the batch; the tree's cancels all, whoever runs them.

    What the release makes of the batch's retry is a download without a URL.
    """
    release, tree = beside.both
    with occupied(tree, site):
        start_worker(release)
        batch = post(tree, "/api/batches", urls=[site.url(f"/gated/held/clip.mp4?n={number}") for number in range(3)])
        watchers = beside.follow(batch)
        site.gate("held").wait_held(3)
        release.cancel(children(tree, batch)[1]["job_id"])
        problem(release.client.delete(f"/api/jobs/{batch}"), 409, "job_ended")
        tree.cancel(batch)

        last, same = (watcher.end() for watcher in watchers)
        assert last == same
        assert (last["status"], last["batch"]["counts"]["cancelled"]) == ("cancelled", 3)
        assert {child["status"] for child in children(tree, batch)} == {"cancelled"}
        again = str(accepted(release.client.post(f"/api/jobs/{batch}/retry"))["job_id"])
        assert tree.until(again, lambda job: job["status"] not in {"queued", "processing"})["status"] == "failed"


def test_a_probe_is_told_by_both(beside: Pair, site: Site) -> None:
    """A worker of the release leaves it alone, its api can't cancel it, its gateway tells of it."""
    release, tree = beside.both
    start_worker(release)
    probe = tree.client.post("/api/probes", params={"wait": 0}, json={"url": site.url(HELD)}).json()["job_id"]
    watchers = beside.follow(probe)
    problem(release.client.delete(f"/api/jobs/{probe}"), 409, "job_ended")
    assert release.job(probe)["status"] == "queued"
    start_worker(tree)
    site.gate("look").open()

    last, same = (watcher.end() for watcher in watchers)
    assert last == same
    assert (last["status"], last["kind"]) == ("completed", "probe")
    assert release.job(probe)["probe"] == tree.job(probe)["probe"] == last["probe"] != None  # noqa: E711 - all
    problem(release.client.get(f"/api/jobs/{probe}/file"), 410, "object_gone")


def test_a_job_with_a_webhook_that_the_release_has_begun(beside: Pair, site: Site) -> None:
    """What the release does is told to nobody; what the tree does is."""
    release, tree = beside.both
    with Receiver() as receiver:
        old = start_worker(release)
        hook = {"url": receiver.url, "events": ["job.started", "job.info", "job.completed"]}
        job = tree.post(site.url("/gated/g/clip.mp4"), webhook=hook)
        watchers = beside.follow(job)
        site.gate("g").wait_held()
        start_worker(tree)
        old.kill()
        for watcher in watchers:
            watcher.until(lambda data: data["attempt"] == 2 and data["progress"] >= 35)
        site.gate("g").open()
        received = [each.verify() for each in receiver.wait_for(3)]
        assert [event["type"] for event in received] == ["job.started", "job.info", "job.completed"]
        assert {event["data"]["attempt"] for event in received} == {2}
        beside.check_ended(watchers)


def test_a_job_with_a_webhook_that_the_release_runs(beside: Pair, site: Site) -> None:
    """It completes, and its receiver is told nothing, as docs/webhooks.md says."""
    release, tree = beside.both
    with Receiver() as receiver:
        start_worker(release)
        watchers = beside.follow(tree.post(site.url("/media/clip.mp4"), webhook={"url": receiver.url}))
        last = beside.check_ended(watchers)
        assert deliveries(tree, last["job_id"]) == {"webhook": None, "events": []}
        assert receiver.received == []


def test_what_the_release_has_made_is_read(beside: Pair, site: Site) -> None:
    """Its records have none of the new fields."""
    release, tree = beside.both
    start_worker(release)
    video = release.follow(release.post(site.url("/media/clip.mp4"))).end()
    failed = release.follow(release.post(site.url("/nothing"))).end()
    for job in (video, failed):
        read = tree.job(job["job_id"])
        assert (read["kind"], read["parent"], read["batch"], read["probe"]) == ("download", None, None, None)
        assert deliveries(tree, job["job_id"]) == {"webhook": None, "events": []}
    again = accepted(tree.client.post(f"/api/jobs/{failed['job_id']}/retry"))
    assert again["retry_of"] == failed["job_id"]
    tree.until(again["job_id"], lambda job: job["status"] == "failed")


def test_a_download_with_a_credential_waits_for_the_tree(beside: Pair, site: Site, tmp_path: Path) -> None:
    """The release's worker, which knows no cookies, does not ask the site, and drops the attempt."""
    release, tree = beside.both
    (tmp_path / "alice_127.0.0.1.txt").write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\talices-secret\n")
    old = start_worker(release)
    job = tree.post(site.url("/media/clip.mp4"), credential="alice")
    old.wait_for("an attempt ended with an unexpected error")
    old.stop()
    assert site.requests() == []

    start_worker(tree, cookies_dir=str(tmp_path))

    assert tree.until(job, lambda job: job["status"] == "completed")["attempt"] > 1
    assert all("alices-secret" in each.headers["cookie"] for each in site.requests())
