"""Trying a job again: a new job like the old one."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from support.answers import VIDEO, accepted, post, problem
from support.backstage import Backstage
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update

ASKED: dict[str, Any] = {
    "url": VIDEO, "format": {"quality": "audio", "container": "mp3"}, "priority": "bulk", "force": True,
    "external_id": "order 7", "metadata": {"b": [1, None], "a": {"c": "…"}},
}  # fmt: skip


OF_THE_JOB = ("job_id", "status_url", "ws_url", "events_url")


def failed(api: httpx2.Client, backstage: Backstage, code: ErrorCode = ErrorCode.STALLED) -> dict[str, Any]:
    job = post(api)
    backstage.fail(job["job_id"], code)
    return job


def test_it_is_answered_as_a_download_is(api: httpx2.Client, backstage: Backstage) -> None:
    old = failed(api, backstage)
    answer = api.post(f"{old['status_url']}/retry")

    new = accepted(answer)
    assert new["job_id"] != old["job_id"]
    assert new["retry_of"] == old["job_id"]
    changed = {"retry_of": None, "cursor": "", "created_at": "", "timestamp": ""}
    assert {**new, **changed} == {**old, **changed, **{name: new[name] for name in OF_THE_JOB}}
    assert all(new[name] == old[name].replace(old["job_id"], new["job_id"]) for name in OF_THE_JOB)
    assert answer.headers["location"] == new["status_url"]
    assert "idempotency-replayed" not in answer.headers


def test_the_new_job_is_like_the_old_one_and_names_it(api: httpx2.Client, backstage: Backstage) -> None:
    old = accepted(api.post("/api/download", json=ASKED))
    api.delete(old["status_url"])

    new = accepted(api.post(f"{old['status_url']}/retry"))

    shown = api.get(new["status_url"]).json()
    assert {name: shown[name] for name in ASKED} == ASKED
    assert (shown["retry_of"], shown["status"], shown["progress"]) == (old["job_id"], "queued", 0)
    assert api.get(old["status_url"]).json()["status"] == "cancelled", "the old one stays as it is"


def test_its_title_is_known_from_the_start(api: httpx2.Client, backstage: Backstage) -> None:
    old = post(api)
    backstage.end(old["job_id"], queued_update("A walk").as_failed(ErrorCode.STALLED))

    assert accepted(api.post(f"{old['status_url']}/retry"))["title"] == "A walk"


def test_a_final_failure_may_be_tried_again(api: httpx2.Client, backstage: Backstage) -> None:
    """A private video may have been published since."""
    accepted(api.post(f"{failed(api, backstage, ErrorCode.PRIVATE)['status_url']}/retry"))


def test_a_retry_may_be_tried_again(api: httpx2.Client, backstage: Backstage) -> None:
    jobs = [failed(api, backstage)]
    for _ in range(2):
        jobs.append(accepted(api.post(f"{jobs[-1]['status_url']}/retry")))
        backstage.fail(jobs[-1]["job_id"], ErrorCode.STALLED)

    assert [api.get(job["status_url"]).json()["retry_of"] for job in jobs] == [
        None, jobs[0]["job_id"], jobs[1]["job_id"],
    ]  # fmt: skip


@pytest.mark.parametrize("begun", [False, True])
def test_what_has_not_ended_is_not_tried_again(api: httpx2.Client, backstage: Backstage, begun: bool) -> None:
    job = post(api)
    if begun:
        backstage.begin(job["job_id"])
    size = backstage.size()

    problem(api.post(f"{job['status_url']}/retry"), 409, "job_not_ended")
    assert backstage.size() == size


def test_what_has_completed_is_not_tried_again(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    backstage.complete(job["job_id"], backstage.put(f"videos/test/example.org/{uuid4()}/a", b"0123456789"))
    size = backstage.size()

    told = problem(api.post(f"{job['status_url']}/retry"), 409, "job_completed")
    assert f"{job['status_url']}/file" in told["detail"]
    assert backstage.size() == size


def test_a_repeated_key_answers_with_the_same_job(api: httpx2.Client, backstage: Backstage) -> None:
    path, headers = f"{failed(api, backstage)['status_url']}/retry", {"Idempotency-Key": "a-key"}
    first, size = api.post(path, headers=headers), backstage.size()
    again = api.post(path, headers=headers)

    assert accepted(again) == accepted(first)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert backstage.size() == size


def test_a_key_is_of_one_request(api: httpx2.Client, backstage: Backstage) -> None:
    """Else the failed job itself would be the answer, or the retry of another one."""
    headers = {"Idempotency-Key": "a-key"}
    job = post(api, headers=headers)
    backstage.fail(job["job_id"], ErrorCode.STALLED)

    problem(api.post(f"{job['status_url']}/retry", headers=headers), 422, "idempotency_mismatch")
    headers = {"Idempotency-Key": "another"}
    accepted(api.post(f"{job['status_url']}/retry", headers=headers))
    problem(api.post("/api/download", json={"url": VIDEO}, headers=headers), 422, "idempotency_mismatch")
    other = failed(api, backstage)
    problem(api.post(f"{other['status_url']}/retry", headers=headers), 422, "idempotency_mismatch")
