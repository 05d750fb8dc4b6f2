"""Batches by the api: what may be asked, whose they are, what a cancellation and a retry do."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from support.answers import VIDEO, accepted, problem
from support.backstage import Backstage
from support.batches import make
from support.owners import ADMIN, READER, A, B, tell_owners_apart
from support.records import Records
from unit.api.conftest import OpenApp
from vidferry_api.jobs import bulk
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.store import Store
from vidferry_common.store.jobs import caller_digest

BATCHES = "/api/batches"


@pytest.fixture
def client(open_app: OpenApp) -> TestClient:
    return tell_owners_apart(open_app())


def post(client: TestClient, owner: dict[str, str], urls: list[str] | int = 2, **fields: Any) -> dict[str, Any]:
    given = [f"{VIDEO}/{uuid4()}" for _ in range(urls)] if isinstance(urls, int) else urls
    return accepted(client.post(BATCHES, json={"urls": given, **fields}, headers=owner))


def work(backstage: Backstage) -> None:
    """A worker makes the children of the batch that is due."""

    async def run(redis: Any) -> None:
        await make(Records(Store(redis, 3600), redis))

    backstage.redis(run)


def complete(backstage: Backstage, job_id: str) -> None:
    backstage.complete(job_id, backstage.put(f"videos/test/example.org/{uuid4()}/1080-any", b"0123456789"))


def children(client: TestClient, batch: dict[str, Any], by: dict[str, str], **query: str) -> list[dict[str, Any]]:
    answer = client.get("/api/jobs", params={"batch": batch["job_id"], **query}, headers=by)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found


def test_a_batch_is_a_job_with_children(client: TestClient, backstage: Backstage) -> None:
    urls = [f"{VIDEO}/1", "no URL", f"{VIDEO}/1"]
    answer = client.post(
        BATCHES, json={"urls": urls, "format": {"quality": "720"}, "metadata": {"n": 1}, "limit": None}, headers=A
    )
    batch = accepted(answer)
    assert answer.headers["location"] == batch["status_url"]
    assert (batch["kind"], batch["url"], batch["priority"], batch["parent"]) == ("batch", None, "bulk", None)
    work(backstage)

    found = children(client, batch, A)
    assert [(child["url"], child["status"], child["parent"]["index"]) for child in found] == [
        (f"{VIDEO}/1", "queued", 1), ("no URL", "failed", 2), (f"{VIDEO}/1", "queued", 3),
    ]  # fmt: skip
    assert {child["format"]["quality"] for child in found} == {"720"}
    assert {(child["batch"], child["metadata"], child["kind"]) for child in found} == {(None, None, "download")}
    shown = client.get(batch["status_url"], headers=A).json()
    assert shown["batch"]["counts"] == {
        "total": 3, "made": 3, "queued": 2, "processing": 0, "completed": 0, "failed": 1, "cancelled": 0,
    }  # fmt: skip
    assert shown["batch"]["children_url"].endswith(f"/api/jobs?batch={batch['job_id']}")
    assert [child["url"] for child in children(client, batch, A, status="failed", kind="download")] == ["no URL"]
    kinds = client.get("/api/jobs?kind=batch", headers=A).json()["jobs"]
    assert [job["job_id"] for job in kinds] == [batch["job_id"]]


def test_a_client_may_send_all_defaults(client: TestClient) -> None:
    """As generated ones do."""
    assert post(client, A, [VIDEO], newest_first=False, priority="bulk", force=False)["batch"]["counts"]["total"] == 1


@pytest.mark.parametrize("url", ["no URL", "", "file:///etc/passwd", f"{VIDEO}#__youtubedl_smuggle=%7B%7D"])
def test_a_child_of_a_bad_url_is_not_tried_again(client: TestClient, backstage: Backstage, url: str) -> None:
    batch = post(client, A, [url])
    work(backstage)
    (child,) = children(client, batch, A)
    assert (child["status"], child["error"]["code"], child["url"]) == ("failed", "invalid_url", url or None)

    problem(client.post(f"{child['status_url']}/retry", headers=A), 422, "invalid_url")
    told = client.post("/api/jobs:retry", json={"job_ids": [child["job_id"]]}, headers=A).json()
    assert [each["code"] for each in told["failed"]] == ["invalid_url"]


def test_nobody_else_sees_or_changes_it(client: TestClient, backstage: Backstage) -> None:
    batch = post(client, A)
    work(backstage)

    assert children(client, batch, B) == []
    assert children(client, batch, B, owner="team-b") == []
    problem(client.get(batch["status_url"], headers=B), 404, "job_not_found")
    problem(client.delete(batch["status_url"], headers=B), 404, "job_not_found")
    problem(client.post(f"{batch['status_url']}/retry", headers=B), 404, "job_not_found")
    problem(client.post(BATCHES, json={"urls": [VIDEO]}, headers=READER), 403, "forbidden")
    assert len(children(client, batch, READER)) == 2
    assert len(children(client, batch, ADMIN, owner="team-a")) == 2
    cancelled = client.post("/api/jobs:cancel", json={"filter": {"batch": batch["job_id"]}}, headers=B).json()
    assert cancelled["count"] == 0
    assert {child["status"] for child in children(client, batch, A)} == {"queued"}


def test_cancelling_it_and_trying_again_what_did_not_complete(client: TestClient, backstage: Backstage) -> None:
    batch = post(client, A, 3, external_id="x")
    problem(client.post(f"{batch['status_url']}/retry", headers=A), 409, "job_not_ended")
    work(backstage)
    found = children(client, batch, A)
    complete(backstage, found[0]["job_id"])

    cancelled = client.delete(batch["status_url"], headers=A).json()
    assert (cancelled["status"], cancelled["batch"]["counts"]["cancelled"]) == ("cancelled", 2)
    assert [child["status"] for child in children(client, batch, A)] == ["completed", "cancelled", "cancelled"]
    assert client.delete(batch["status_url"], headers=A).json() == cancelled, "a repetition is harmless"

    sent = {**A, "Idempotency-Key": "k"}
    again = accepted(client.post(f"{batch['status_url']}/retry", headers=sent))
    assert (again["retry_of"], again["batch"]["counts"]["total"], again["external_id"]) == (batch["job_id"], 2, "x")
    assert accepted(client.post(f"{batch['status_url']}/retry", headers=sent))["job_id"] == again["job_id"]
    work(backstage)
    retried = children(client, again, A)
    assert [(child["url"], child["retry_of"]) for child in retried] == [
        (child["url"], child["job_id"]) for child in found[1:]
    ]


def test_trying_again_a_batch_that_was_cancelled_before_its_jobs_were_made(
    client: TestClient, backstage: Backstage
) -> None:
    batch = post(client, A, ["https://example.org/1", "https://example.org/2"])
    client.delete(batch["status_url"], headers=A)
    again = accepted(client.post(f"{batch['status_url']}/retry", headers=A))
    assert again["batch"]["counts"]["total"] == 2

    playlist = accepted(client.post(BATCHES, json={"playlist": f"{VIDEO}/list", "items": "2-9"}, headers=A))
    backstage.store(lambda store: store.batches.add_entries(playlist["job_id"], 0, (), title="A course"))
    assert (playlist["url"], playlist["batch"]["counts"]["total"]) == (f"{VIDEO}/list", None)
    client.delete(playlist["status_url"], headers=A)
    again = accepted(client.post(f"{playlist['status_url']}/retry", headers=A))
    assert (again["url"], again["title"], again["batch"]["counts"]["total"], again["retry_of"]) == (
        f"{VIDEO}/list", "A course", None, playlist["job_id"],
    )  # fmt: skip


def test_a_completed_one_is_tried_again_only_where_something_is_missing(
    client: TestClient, backstage: Backstage
) -> None:
    batch = post(client, A)
    work(backstage)
    first, second = children(client, batch, A)
    complete(backstage, first["job_id"])
    backstage.fail(second["job_id"], ErrorCode.DRM)
    assert client.get(batch["status_url"], headers=A).json()["status"] == "completed"
    again = accepted(client.post(f"{batch['status_url']}/retry", headers=A))
    work(backstage)
    (child,) = children(client, again, A)
    complete(backstage, child["job_id"])
    problem(client.post(f"{again['status_url']}/retry", headers=A), 409, "job_completed")


def test_one_whose_failed_jobs_were_deleted_is_not_said_to_be_complete(
    client: TestClient, backstage: Backstage
) -> None:
    batch = post(client, A, ["no URL"])
    work(backstage)
    (child,) = children(client, batch, A)
    backstage.redis(lambda redis: redis.delete(keys.JOB + child["job_id"]))
    refused = problem(client.post(f"{batch['status_url']}/retry", headers=A), 404, "job_not_found")
    assert "new batch" in refused["detail"]


def test_a_retry_says_how_many_failed_jobs_were_deleted(client: TestClient, backstage: Backstage) -> None:
    batch = post(client, A, ["no URL", "none", "no more"])
    assert batch["batch"]["warnings"] == []
    work(backstage)
    gone = [child["job_id"] for child in children(client, batch, A)][:2]
    backstage.redis(lambda redis: redis.delete(*(keys.JOB + job_id for job_id in gone)))
    again = accepted(client.post(f"{batch['status_url']}/retry", headers=A))
    (warning,) = again["batch"]["warnings"]
    assert (again["batch"]["counts"]["total"], warning["code"]) == (1, "jobs_deleted")
    assert warning["message"].startswith("2 jobs that did not complete were deleted")
    work(backstage)
    assert client.get(again["status_url"], headers=A).json()["batch"]["warnings"] == [warning]
    problem(client.post(f"{batch['status_url']}/retry", headers=B), 404, "job_not_found")


def test_a_filter_that_chooses_a_batch_leaves_its_jobs_to_it(client: TestClient, backstage: Backstage) -> None:
    batch = post(client, A)
    work(backstage)
    client.delete(batch["status_url"], headers=A)
    filters: list[dict[str, str]] = [{}, {"kind": "download"}, {"batch": batch["job_id"]}]
    chosen = [client.post("/api/jobs:retry", json={"filter": each}, headers=A).json()["job_ids"] for each in filters]
    assert [len(each) for each in chosen] == [1, 2, 2]
    (again,) = chosen[0]
    assert client.get(f"/api/jobs/{again}", headers=A).json()["retry_of"] == batch["job_id"]


def test_what_one_request_does_to_many_batches_is_bounded(
    client: TestClient, backstage: Backstage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_CHILDREN", 5)
    batches, other = [post(client, A, 3) for _ in range(3)], post(client, B, 3)
    single = accepted(client.post("/api/download", json={"url": VIDEO}, headers=A))
    chosen = {"job_ids": [each["job_id"] for each in (*batches, other, single)]}

    for path in ("/api/jobs:cancel", "/api/jobs:retry"):
        told = client.post(path, json=chosen, headers=A).json()
        assert told["count"] == 2
        assert [(each["job_id"], each["code"]) for each in told["failed"]] == [
            (other["job_id"], "job_not_found"),
            *((each["job_id"], "too_many_requests") for each in batches[1:]),
        ]
        for each in batches[1:]:
            assert client.post("/api/jobs:cancel", json={"job_ids": [each["job_id"]]}, headers=A).json()["count"] == 1


async def _delete(key: str, redis: Any) -> None:
    await redis.delete(key)


def test_a_caller_over_its_rate_has_no_batch_read(open_app: OpenApp, backstage: Backstage) -> None:
    """The answer for a batch whose jobs are gone tells that they were looked for."""
    client = tell_owners_apart(open_app(caller_rate="1"))
    over, below = post(client, A, ["no URL"]), post(client, B, ["no URL"])
    for batch, owner in ((over, A), (below, B)):
        work(backstage)
        for child in children(client, batch, owner):
            backstage.redis(partial(_delete, keys.JOB + child["job_id"]))
    backstage.redis(lambda redis: redis.delete(keys.REQUESTS + caller_digest("owner:team-b")))

    for owner in (A, ADMIN):
        problem(client.post(f"{over['status_url']}/retry", headers=owner), 429, "too_many_requests")
    problem(client.post(f"{below['status_url']}/retry", headers=B), 404, "job_not_found")
    problem(client.post("/api/jobs:retry", json={"filter": {}}, headers=A), 429, "too_many_requests")
    (failure,) = client.post("/api/jobs:retry", json={"filter": {"kind": "batch"}}, headers=B).json()["failed"]
    assert failure["code"] == "job_not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "urls"),
        ({"urls": []}, "urls"),
        ({"urls": [VIDEO] * 1001}, "urls"),
        ({"urls": ["x" * 5000]}, "urls"),
        ({"urls": [VIDEO], "items": "1"}, "Send items, limit, newest_first together with playlist only."),
        ({"urls": [VIDEO], "newest_first": True}, "playlist only"),
        ({"urls": [VIDEO], "playlist": VIDEO}, "Send either urls or playlist."),
        ({"playlist": "ftp://x"}, "playlist"),
        ({"playlist": VIDEO, "items": "0"}, "items"),
        ({"playlist": VIDEO, "limit": 0}, "limit"),
        ({"playlist": VIDEO, "newest_first": 1}, "newest_first"),
    ],
)
def test_what_can_not_be_asked(client: TestClient, body: dict[str, Any], field: str) -> None:
    assert field in problem(client.post(BATCHES, json=body, headers=A), 422, "invalid_request")["detail"]


def test_a_body_may_have_a_mebibyte_and_no_more(client: TestClient) -> None:
    urls = [f"{VIDEO}/{'x' * 1000}{index}" for index in range(1000)]
    assert post(client, A, urls[:900])["batch"]["counts"]["total"] == 900
    problem(client.post(BATCHES, json={"urls": [url + "y" * 60 for url in urls]}, headers=A), 413, "body_too_large")
    problem(
        client.post("/api/download", json={"url": VIDEO, "metadata": {"x": "y" * 70_000}}, headers=A),
        413,
        "body_too_large",
    )
