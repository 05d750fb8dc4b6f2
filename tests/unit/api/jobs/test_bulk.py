"""Many jobs at once: whose, how many, and what a repetition does."""

from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from support.answers import VIDEO, accepted, problem
from support.backstage import Backstage
from support.owners import ADMIN, READER, A, B, tell_owners_apart
from unit.api.conftest import OpenApp
from vidferry_common.contract.errors import ErrorCode

CANCEL, RETRY = "/api/jobs:cancel", "/api/jobs:retry"


@pytest.fixture
def client(open_app: OpenApp) -> TestClient:
    return tell_owners_apart(open_app())


def make(client: TestClient, owner: dict[str, str], count: int = 1, **fields: Any) -> list[str]:
    answers = [
        client.post("/api/download", json={"url": f"{VIDEO}/{uuid4()}", **fields}, headers=owner) for _ in range(count)
    ]
    return [accepted(answer)["job_id"] for answer in answers]


def done(client: TestClient, path: str, owner: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body, headers=owner)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["count"] == len(found["job_ids"])
    return found


def status(client: TestClient, job_id: str) -> str:
    return str(client.get(f"/api/jobs/{job_id}", headers=ADMIN).json()["status"])


def jobs_of(client: TestClient, owner: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/jobs?page_size=200", params=query, headers=owner).json()["jobs"]
    return found


def test_cancelling_by_ids(client: TestClient, backstage: Backstage) -> None:
    waiting, running, ended = make(client, A, 3)
    [other] = make(client, B)
    backstage.begin(running)
    backstage.fail(ended, ErrorCode.PRIVATE)
    asked = {"job_ids": [waiting, running.upper(), ended, other, "no id", waiting]}

    first = done(client, CANCEL, A, asked)

    assert first["job_ids"] == [waiting, running]
    assert [(each["job_id"], each["code"]) for each in first["failed"]] == [
        (other, "job_not_found"), ("no id", "job_not_found"), (ended, "job_ended"),
    ]  # fmt: skip
    assert status(client, other) == "queued"
    assert done(client, CANCEL, A, asked) == first, "a repetition is harmless"


def test_cancelling_by_filter(client: TestClient) -> None:
    mine, marked, other = make(client, A, 2), make(client, A, 2, external_id="x"), make(client, B, 2, external_id="x")

    assert set(done(client, CANCEL, A, {"filter": {"external_id": "x"}})["job_ids"]) == set(marked)
    assert [status(client, job_id) for job_id in (*mine, *other)] == ["queued"] * 4
    assert set(done(client, CANCEL, A, {"filter": {}})["job_ids"]) == set(mine)
    assert done(client, CANCEL, A, {"filter": {}})["count"] == 0
    assert set(done(client, CANCEL, ADMIN, {"filter": {"owner": "team-b"}})["job_ids"]) == set(other)


def test_a_filter_goes_on_where_it_stopped(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_api.jobs.bulk.MAX_JOBS", 2)
    jobs = make(client, A, 5)
    cancelled: list[str] = []
    token = ""
    for _ in range(3):
        found = done(client, CANCEL, A, {"filter": {}, "page_token": token})
        cancelled += found["job_ids"]
        token = found["next_page_token"]

    assert (sorted(cancelled), token) == (sorted(jobs), "")


def test_retrying_by_filter_once(client: TestClient, backstage: Backstage) -> None:
    """Also where the retries have failed meanwhile, so that the filter matches them."""
    failed, cancelled, waiting = make(client, A, 3, metadata={"n": 1})
    [other] = make(client, B)
    for job_id in (failed, other):
        backstage.fail(job_id, ErrorCode.STALLED)
    done(client, CANCEL, A, {"job_ids": [cancelled]})
    sent = {**A, "Idempotency-Key": "k"}

    first = done(client, RETRY, sent, {"filter": {}})
    assert first["count"] == 2
    retries = {job["retry_of"]: job for job in jobs_of(client, A) if job["retry_of"]}
    assert retries.keys() == {failed, cancelled}
    assert all(job["metadata"] == {"n": 1} for job in retries.values())
    for job_id in first["job_ids"]:
        backstage.fail(job_id, ErrorCode.STALLED)

    again = done(client, RETRY, sent, {"filter": {}})
    assert sorted(again["job_ids"]) == sorted(first["job_ids"])
    assert len(jobs_of(client, A)) == 5
    assert (status(client, waiting), len(jobs_of(client, B))) == ("queued", 1)
    assert done(client, RETRY, {**A, "Idempotency-Key": "l"}, {"job_ids": [failed]})["job_ids"] != first["job_ids"]


def test_retrying_by_ids(client: TestClient, backstage: Backstage) -> None:
    [failed], [waiting], [other] = make(client, A), make(client, A), make(client, B)
    for job_id in (failed, other):
        backstage.fail(job_id, ErrorCode.STALLED)

    found = done(client, RETRY, A, {"job_ids": [failed, waiting, other]})

    assert [(each["job_id"], each["code"]) for each in found["failed"]] == [
        (other, "job_not_found"), (waiting, "job_not_ended"),
    ]  # fmt: skip
    [new] = found["job_ids"]
    assert client.get(f"/api/jobs/{new}", headers=A).json()["retry_of"] == failed


def test_what_an_administrator_retries_stays_its_owners(client: TestClient, backstage: Backstage) -> None:
    [failed] = make(client, A)
    backstage.fail(failed, ErrorCode.STALLED)

    [new] = done(client, RETRY, ADMIN, {"job_ids": [failed]})["job_ids"]
    assert client.get(f"/api/jobs/{new}", headers=A).status_code == 200
    assert client.get(f"/api/jobs/{new}", headers=B).status_code == 404


def test_a_refusal_ends_a_retry(open_app: OpenApp, backstage: Backstage) -> None:
    client = tell_owners_apart(open_app(caller_rate="4"))
    jobs = make(client, A, 3)
    for job_id in jobs:
        backstage.fail(job_id, ErrorCode.STALLED)

    found = done(client, RETRY, A, {"job_ids": jobs})
    assert found["count"] == 1
    assert [(each["job_id"], each["code"]) for each in found["failed"]] == [
        (job_id, "too_many_requests") for job_id in jobs[1:]
    ]
    problem(client.post(RETRY, json={"job_ids": jobs[1:]}, headers=A), 429, "too_many_requests")


@pytest.mark.parametrize("body", [
    {}, {"job_ids": []}, {"job_ids": ["x"] * 201}, {"job_ids": ["x"], "filter": {}}, {"filter": {"statis": "failed"}},
    {"filter": {"status": ["completed"]}}, {"filter": {"created_before": 5}},
    {"filter": {}, "page_token": "x"}, {"job_ids": ["x"], "page_token": "x"}, [],
    {"job_ids": ["x" * 65]},
])  # fmt: skip
@pytest.mark.parametrize("path", [CANCEL, RETRY])
def test_what_can_not_be_asked(client: TestClient, path: str, body: Any) -> None:
    answer = client.post(path, json=body, headers=A)

    assert "url" not in problem(answer, 422, "invalid_request")["detail"]


@pytest.mark.parametrize("path", [CANCEL, RETRY])
def test_an_id_that_is_no_unicode_is_refused_before_any_job_is_changed(client: TestClient, path: str) -> None:
    [job_id] = make(client, A)
    body = f'{{"job_ids": ["{job_id}", "\\ud800"]}}'

    answer = client.post(path, content=body, headers={**A, "Content-Type": "application/json"})

    problem(answer, 422, "invalid_request")
    assert status(client, job_id) == "queued"


@pytest.mark.parametrize("path", [CANCEL, RETRY])
def test_one_who_only_reads_changes_nothing(client: TestClient, path: str) -> None:
    [job_id] = make(client, A)

    problem(client.post(path, json={"job_ids": [job_id]}, headers=READER), 403, "forbidden")
    assert status(client, job_id) == "queued"
