"""DELETE of a job: what it ends, what it answers, and what may happen meanwhile."""

from dataclasses import replace
from uuid import uuid4

import httpx2
import orjson
import pytest

from support.answers import VIDEO, post, problem, shown
from support.backstage import Backstage
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import DONE, INFO, Stage, Status

RUNNING = Update(Status.PROCESSING, Stage.STARTED, 0, "", 1)


def downloads(backstage: Backstage) -> int:
    """How many are on the queue, waiting or running."""
    return int(backstage.redis(lambda redis: redis.zcard(keys.QUEUE)))


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_that_waits_or_runs_is_ended(api: httpx2.Client, backstage: Backstage, begun: bool) -> None:
    job = post(api)
    if begun:
        backstage.begin(job["job_id"])
    before = shown(api, job)

    answer = api.delete(job["status_url"])

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == shown(api, job)
    ended = {"status": "cancelled", "stage": "cancelled", "message": "Cancelled", "seq": before["seq"] + 1}
    changing = {"timestamp": "", "cursor": "", "expires_at": ""}
    assert answer.json() | changing == before | ended | changing
    assert downloads(backstage) == 0


def test_once_more_is_no_different(api: httpx2.Client) -> None:
    """As after an answer that was lost."""
    job = post(api)
    first = api.delete(job["status_url"])
    again = api.delete(job["status_url"])

    assert (again.status_code, again.json()) == (200, first.json())


def test_what_has_ended_otherwise_can_not_be_cancelled(api: httpx2.Client, backstage: Backstage) -> None:
    failed, completed = post(api), post(api, VIDEO + "2")
    backstage.fail(failed["job_id"], ErrorCode.PRIVATE)
    backstage.complete(completed["job_id"], backstage.put(f"videos/test/example.org/{uuid4()}/a", b"0123456789"))

    for job, status in ((failed, "failed"), (completed, "completed")):
        problem(api.delete(job["status_url"]), 409, "job_ended")
        assert api.get(job["status_url"]).json()["status"] == status


def test_a_stage_of_a_newer_worker_is_ended_as_any(api: httpx2.Client, backstage: Backstage) -> None:
    """Two releases run side by side during an update."""
    job = post(api)
    key = keys.JOB + job["job_id"]
    message = orjson.loads(backstage.redis(lambda redis: redis.hget(key, "state")))
    message["data"]["stage"] = "polishing"
    backstage.redis(lambda redis: redis.hset(key, "state", orjson.dumps(message)))

    assert api.delete(job["status_url"]).json()["status"] == "cancelled"


def test_what_was_told_meanwhile_is_kept(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    claim = backstage.begin(job["job_id"])
    before = api.get(job["status_url"]).json()
    news = replace(RUNNING.at_step(INFO), title="Harbour at dawn")

    answer = backstage.overtake(lambda: backstage.tell(claim, news), lambda: api.delete(job["status_url"]))

    assert answer.status_code == 200
    ended = answer.json()
    assert (ended["status"], ended["title"], ended["progress"]) == ("cancelled", "Harbour at dawn", 10)
    assert ended["seq"] == before["seq"] + 2


def test_a_job_that_ends_meanwhile_stays_as_it_ended(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    claim = backstage.begin(job["job_id"])
    done = RUNNING.at_step(DONE, status=Status.COMPLETED, result={"title": None, "reused": False})

    answer = backstage.overtake(lambda: backstage.finish(claim, done), lambda: api.delete(job["status_url"]))

    problem(answer, 409, "job_ended")
    assert api.get(job["status_url"]).json()["status"] == "completed"


def test_another_one_may_cancel_it_meanwhile(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    with httpx2.Client(base_url=api.base_url, timeout=20) as other:
        answers: list[httpx2.Response] = []
        mine = backstage.overtake(
            lambda: answers.append(other.delete(job["status_url"])), lambda: api.delete(job["status_url"])
        )

    assert [answer.status_code for answer in (mine, *answers)] == [200, 200]
    assert mine.json() == answers[0].json()


def test_a_job_that_is_forgotten_meanwhile(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    key = keys.JOB + job["job_id"]
    answer = backstage.overtake(
        lambda: backstage.redis(lambda redis: redis.delete(key)), lambda: api.delete(job["status_url"])
    )

    problem(answer, 404, "job_not_found")


def test_it_does_not_try_for_ever(api: httpx2.Client, backstage: Backstage) -> None:
    """As where each try finds a newer state than the one that it read."""
    job = post(api)
    key = keys.JOB + job["job_id"]
    backstage.redis(lambda redis: redis.hincrby(key, "seq", 1))

    problem(api.delete(job["status_url"]), 503, "job_busy")
