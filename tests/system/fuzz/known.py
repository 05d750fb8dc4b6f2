"""What the api that schemathesis asks knows before: jobs of each kind and end, with what they lead to.

No worker runs beside that api, so by itself it would never answer with a file, an event or what a probe has found.
"""

import json
from collections.abc import Mapping

import httpx2

from support.answers import VIDEO, accepted
from support.backstage import Backstage, store_video
from support.batches import NoPlaylists
from unit.worker.children.test_protocol import PROBE
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.identity import object_id
from vidferry_common.contract.messages import queued_update, utc_now
from vidferry_common.contract.result import Result
from vidferry_common.contract.stages import DONE, Status
from vidferry_common.store import Delivery, DeliveryAttempt, Ending, Settlement, Store
from vidferry_common.store.probes import QUEUE
from vidferry_worker.batches.maker import BatchMaker

VARIABLE = "VIDFERRY_FUZZ_KNOWN"
"""the environment's variable in which the hooks find these ids"""
STORED, KEPT = 30, 10
"""videos in the bucket, which the list of objects leads to; those of them that are never deleted"""
THUMBNAIL = b"\xff\xd8\xff"
RECEIVER = "https://hooks.example.org/a"

Known = dict[str, list[dict[str, str]]]
"""by the end of a path: parameters that lead to something there"""


def fill(api: str, headers: Mapping[str, str], backstage: Backstage) -> Known:
    """Makes jobs of the caller with these headers, as callers and workers do it."""
    with httpx2.Client(base_url=api, headers=dict(headers), timeout=60, verify=False) as client:
        videos = [_store(backstage, number) for number in range(STORED)]
        batch = str(accepted(client.post("/api/batches", json={"urls": [VIDEO, "no URL"]}))["job_id"])
        backstage.store(_make_children)
        failed = _post(client, "failed", webhook={"url": RECEIVER})
        backstage.fail(failed, ErrorCode.UNAVAILABLE)
        backstage.store(_deliver)
        completed = _post(client, "completed")
        stored = backstage.put("videos/generic/example.org/done/1080-any", b"film", filename="Video.mp4")
        picture = backstage.put("videos/generic/example.org/done/thumbnail", THUMBNAIL, "image/jpeg")
        _complete(backstage, completed, stored, picture.name)
        probe = client.post("/api/probes?wait=0", json={"url": VIDEO}).json()["job_id"]
        backstage.store(_look)
        children = client.get("/api/jobs", params={"batch": batch}).json()["jobs"]
        (event, *_) = client.get(f"/api/jobs/{failed}/deliveries").json()["events"]
        change = {"expires_at": utc_now(24 * 3600)}  # chance rarely finds a time to come
        client.patch(f"/api/objects/{videos[0]}", json=change).raise_for_status()
    kept = [{"object_id": video} for video in videos[:KEPT]]
    jobs = [batch, failed, completed, probe, *(str(child["job_id"]) for child in children)]
    return {
        "{job_id}": [{"job_id": job} for job in jobs],
        "{job_id}/file": [{"job_id": completed}],
        "{job_id}/thumbnail": [{"job_id": completed}],
        "{job_id}/retry": [{"job_id": batch}, {"job_id": failed}],
        "{job_id}/deliveries": [{"job_id": failed}],
        "{event_id}/resend": [{"job_id": failed, "event_id": event["event_id"]}],
        "{object_id}/file": kept,
        "{object_id}/thumbnail": kept,
        "kept": kept,
        "batch": [{"batch": batch}],
    }


def write(known: Known) -> dict[str, str]:
    return {VARIABLE: json.dumps(known)}


def read(environment: Mapping[str, str]) -> Known:
    return dict(json.loads(environment[VARIABLE]))


def _post(client: httpx2.Client, name: str, **fields: object) -> str:
    body = {"url": f"https://example.org/{name}", **fields}
    return str(accepted(client.post("/api/download", json=body))["job_id"])


def _store(backstage: Backstage, number: int) -> str:
    name = f"videos/generic/example.org/{number}/1080-any"
    backstage.put(f"videos/generic/example.org/{number}/thumbnail", THUMBNAIL, "image/jpeg")
    store_video(backstage, name, f"Video {number}")
    return object_id(name)


def _complete(backstage: Backstage, job_id: str, stored: StoredObject, thumbnail: str) -> None:
    download_id = backstage.download_id(job_id)
    backstage.store(lambda store: store.downloads.record_thumbnail(download_id, thumbnail))
    link, expires_at = "https://bucket.example.org/video", utc_now(60)
    result = Result(
        "A clip", 2.0, stored.size, "video/mp4", "A clip.mp4", link, expires_at, f"{link}/file", reused=False
    )
    done = queued_update().at_step(DONE, status=Status.COMPLETED, result=result, has_thumbnail=True)
    backstage.end(job_id, done, Ending(stored.name, stored.version))


async def _make_children(store: Store) -> None:
    (task,), _ = await store.batches.tasks.take(1, 30)
    await BatchMaker(store, NoPlaylists()).make(task)


async def _deliver(store: Store) -> None:
    """The receiver refuses the first event."""
    (task,), _ = await store.deliveries.take(1, 30)
    delivery = Delivery.parse(task)
    log = delivery.event.log.with_attempt(DeliveryAttempt(1_769_852_400_125, 0.25, 410, None), "disabled", None)
    await store.deliveries.settle(delivery, Settlement(log, settled=True))


async def _look(store: Store) -> None:
    (task,), _ = await store.tasks(QUEUE).take(1, 30)
    assert await store.probes.begin(task)
    assert await store.probes.complete(task, PROBE)
