"""GET /api/jobs: whose jobs, which of them, in which pages."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from support.answers import VIDEO, accepted, problem, shown
from support.backstage import Backstage
from support.owners import ADMIN, READER, A, B, tell_owners_apart
from unit.api.conftest import OpenApp
from vidferry_common.contract.errors import ErrorCode


@pytest.fixture
def client(open_app: OpenApp) -> TestClient:
    return tell_owners_apart(open_app())


def make(client: TestClient, owner: dict[str, str], number: int = 0, **fields: Any) -> dict[str, Any]:
    return accepted(client.post("/api/download", json={"url": f"{VIDEO}/{number}", **fields}, headers=owner))


def listed(client: TestClient, by: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = client.get("/api/jobs", params=query, headers=by)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(page: dict[str, Any]) -> list[str]:
    return [job["job_id"] for job in page["jobs"]]


def test_each_owner_sees_its_own(client: TestClient) -> None:
    mine = [make(client, A, number) for number in range(3)]
    other = make(client, B, external_id="x")

    assert set(ids(listed(client, A))) == set(ids(listed(client, READER))) == {job["job_id"] for job in mine}
    assert ids(listed(client, B)) == [other["job_id"]]
    assert listed(client, A, external_id="x") == listed(client, ADMIN) == {"jobs": [], "next_page_token": ""}
    assert ids(listed(client, ADMIN, owner="team-b")) == [other["job_id"]]
    assert "admin" in problem(client.get("/api/jobs?owner=team-b", headers=A), 403, "forbidden")["detail"]
    assert len(ids(listed(client, A, owner="team-a"))) == 3


def test_a_listed_job_is_shown_as_ever(client: TestClient, backstage: Backstage) -> None:
    job = make(client, A, external_id="o-1", metadata={"a": 1})
    assert listed(client, A)["jobs"] == [job]

    backstage.fail(job["job_id"], ErrorCode.PRIVATE)
    [ended] = listed(client, A)["jobs"]
    told = client.get(job["status_url"], headers=A).json()
    del told["history"]
    assert ended == told
    assert (ended["external_id"], ended["metadata"]) == ("o-1", {"a": 1})
    assert ended["expires_at"] > ended["timestamp"]


def test_statuses_may_be_repeated_or_listed(client: TestClient, backstage: Backstage) -> None:
    failed, waiting, running = (make(client, A, number)["job_id"] for number in range(3))
    backstage.fail(failed, ErrorCode.PRIVATE)
    backstage.begin(running)

    assert set(ids(listed(client, A, status="queued,failed"))) == {waiting, failed}
    assert set(ids(listed(client, A, status=["queued", "processing"]))) == {waiting, running}
    assert ids(listed(client, A, status="failed", kind="download", site="www.example.org")) == [failed]
    assert ids(listed(client, A, site="example.com")) == []


def test_pages_lead_to_each_other(client: TestClient) -> None:
    made = [make(client, A, number)["job_id"] for number in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = listed(client, A, page_size=2, page_token=token)
        seen += ids(page)
        make(client, A, 100 + len(seen))
        token = page["next_page_token"]
        if not token:
            break

    assert sorted(seen) == sorted(made)
    first = listed(client, A, page_size=2)["next_page_token"]
    for owner, query in ((B, {}), (A, {"status": "queued"}), (ADMIN, {"owner": "team-b"})):
        answer = client.get("/api/jobs", params={"page_token": first, **query}, headers=owner)
        assert problem(answer, 422, "invalid_request")["errors"][0]["field"] == "page_token"
    assert ids(listed(client, ADMIN, owner="team-a", page_token=first)) == ids(listed(client, A, page_token=first))


@pytest.mark.parametrize("query", [
    "page_size=0", "page_size=201", "page_size=x", "page_token=x", "status=done", "status=queued,", "kind=x", "since=1",
    "created_after=yesterday", "created_after=0.5", "created_before=2026-01-01T00:00:00",
    "external_id=", f"external_id={'x' * 256}",
    f"owner={'x' * 65}", "owner=a:b", f"site={'x' * 254}", f"page_token={'x' * 257}", f"status={'queued,' * 30}queued",
])  # fmt: skip
def test_what_can_not_be_asked(client: TestClient, query: str) -> None:
    problem(client.get(f"/api/jobs?{query}", headers=A), 422, "invalid_request")


def test_where_access_is_open_all_jobs_are_everybodys(open_app: OpenApp) -> None:
    client = open_app()
    job = accepted(client.post("/api/download", json={"url": VIDEO}))

    assert listed(client, {})["jobs"] == [job] == [shown(client, job)]
    assert client.head("/api/jobs").status_code == 200
