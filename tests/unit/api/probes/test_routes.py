"""POST /api/probes: what it takes, what it answers with and without a worker's help, and whose a probe is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from support.answers import VIDEO, accepted, problem
from support.backstage import Backstage
from support.owners import READER, A, B, tell_owners_apart
from unit.api.conftest import OpenApp
from unit.worker.children.test_protocol import PROBE
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.store import Store
from vidferry_common.store.probes import MAX_OPEN, QUEUE

Work = Callable[[Store, Any], Any]


def probe(client: Any, url: str = VIDEO, wait: float = 0, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return client.post("/api/probes", params={"wait": wait}, json={"url": url, **fields}, headers=headers or {})


def work(backstage: Backstage, *, finds: bool = True) -> None:
    """A worker looks at the probe that is next."""

    async def look(store: Store) -> None:
        await store.tasks(QUEUE).wait_for_task(20)
        (task,), _ = await store.tasks(QUEUE).take(1, 30)
        assert await store.probes.begin(task)
        if finds:
            assert await store.probes.complete(task, PROBE)
        else:
            assert await store.probes.fail(task, ErrorCode.FORBIDDEN_ADDRESS)

    backstage.store(look)


def test_the_answer_comes_with_what_was_found(api: httpx2.Client, backstage: Backstage) -> None:
    with ThreadPoolExecutor() as pool:
        working = pool.submit(work, backstage)
        answer = probe(api, wait=20, format={"quality": "720"}, external_id="x", metadata={"a": 1})
        working.result()
    job = answer.json()
    assert (answer.status_code, job["kind"], job["status"]) == (200, "probe", "completed"), job
    assert (job["external_id"], job["metadata"], job["format"]["quality"]) == ("x", {"a": 1}, "720")
    assert job["probe"]["choice"]["size"] == PROBE.choice.size  # type: ignore[union-attr]
    assert answer.headers["location"] == job["status_url"]
    read = api.get(job["status_url"]).json()
    assert {**job, "history": read["history"]} == read
    assert problem(api.get(f"{job['status_url']}/file"), 409, "job_failed")
    assert problem(api.post(f"{job['status_url']}/retry"), 409, "job_completed")
    again = probe(api, wait=20, format={"quality": "720"})
    assert (again.status_code, again.json()["probe"]) == (200, job["probe"])
    assert again.json()["job_id"] != job["job_id"]


def test_a_failure_is_an_answer_too(api: httpx2.Client, backstage: Backstage) -> None:
    with ThreadPoolExecutor() as pool:
        working = pool.submit(work, backstage, finds=False)
        answer = probe(api, wait=20)
        working.result()
    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]["code"], job["probe"]) == (
        200, "failed", "forbidden_address", None,
    )  # fmt: skip
    retried = accepted(api.post(f"{job['status_url']}/retry"))
    assert (retried["kind"], retried["retry_of"]) == ("probe", job["job_id"])


def test_without_a_worker_the_answer_is_its_job(api: httpx2.Client) -> None:
    answer = probe(api, wait=0.2)
    job = accepted(answer)
    assert (job["kind"], job["status"], job["probe"]) == ("probe", "queued", None)
    cancelled = api.delete(job["status_url"]).json()
    assert (cancelled["status"], cancelled["probe"]) == ("cancelled", None)


def test_a_download_has_a_probe_that_is_null(api: httpx2.Client) -> None:
    assert api.post("/api/download", json={"url": VIDEO}).json()["probe"] is None


@pytest.mark.parametrize(
    ("body", "wait", "code"),
    [
        ({"url": "ftp://example.org/a"}, 0, "invalid_url"),
        ({"url": "https://user:secret@example.org/"}, 0, "invalid_url"),
        ({"url": VIDEO, "force": True}, 0, "invalid_request"),
        ({"url": VIDEO, "priority": "bulk"}, 0, "invalid_request"),
        ({"url": VIDEO, "format": {"quality": "huge"}}, 0, "invalid_request"),
        ({"url": VIDEO, "metadata": {"a": "x" * 3000}}, 0, "invalid_request"),
        ({"url": VIDEO}, 61, "invalid_request"),
        ({"url": VIDEO}, -1, "invalid_request"),
        ({"url": VIDEO}, "nan", "invalid_request"),
    ],
)
def test_what_a_download_refuses_is_refused(api: httpx2.Client, body: dict[str, Any], wait: Any, code: str) -> None:
    problem(api.post("/api/probes", params={"wait": wait}, json=body), 422, code)


def test_nulls_count_as_left_out(api: httpx2.Client) -> None:
    accepted(probe(api, format=None, external_id=None, metadata=None))


def test_a_repeated_request_gets_the_same_probe(api: httpx2.Client) -> None:
    first, again = (probe(api, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json()["job_id"] == again.json()["job_id"]
    assert again.headers["idempotency-replayed"] == "true"
    problem(
        api.post("/api/download", json={"url": VIDEO}, headers={"Idempotency-Key": "k"}), 422, "idempotency_mismatch"
    )


def test_owners_see_nothing_of_one_another(open_app: OpenApp, backstage: Backstage) -> None:
    client = tell_owners_apart(open_app())
    mine = accepted(probe(client, headers=A, external_id="mine"))
    theirs = accepted(probe(client, headers=B, external_id="theirs"))
    work(backstage)
    for method in ("GET", "DELETE"):
        problem(client.request(method, mine["status_url"], headers=B), 404, "job_not_found")
    problem(client.post(f"{mine['status_url']}/retry", headers=B), 404, "job_not_found")
    listed = client.get("/api/jobs", params={"kind": "probe"}, headers=B).json()["jobs"]
    assert [job["job_id"] for job in listed] == [theirs["job_id"]]
    answer = probe(client, headers=B, url=VIDEO)
    assert answer.status_code == 200, "what the site told is shared, as objects are"
    assert mine["job_id"] not in answer.text
    assert "mine" not in answer.text
    problem(probe(client, headers=READER), 403, "forbidden")


def test_owners_whose_objects_are_their_own_share_no_look(open_app: OpenApp, backstage: Backstage) -> None:
    client = tell_owners_apart(open_app(share_objects="owner"))
    accepted(probe(client, headers=A))
    work(backstage)
    assert probe(client, headers=A).status_code == 200
    assert accepted(probe(client, headers=B))["status"] == "queued"


def test_a_callers_many_probes_leave_room_for_those_of_others(open_app: OpenApp, backstage: Backstage) -> None:
    client = tell_owners_apart(open_app())
    for number in range(MAX_OPEN):
        accepted(probe(client, url=f"{VIDEO}/{number}", headers=A))
    refused = probe(client, url=f"{VIDEO}/more", headers=A)
    problem(refused, 429, "quota_exceeded")
    assert int(refused.headers["retry-after"]) > 0
    accepted(probe(client, headers=B))
    assert backstage.redis(lambda redis: redis.zcard(keys.PROBES)) == MAX_OPEN + 1
