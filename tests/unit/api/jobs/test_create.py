"""A POST that is accepted: what it answers, and what it makes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from support.answers import VIDEO, accepted, post, problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.trace import trace_id

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_it_tells_where_the_job_is(api: httpx2.Client, backstage: Backstage) -> None:
    answer = api.post("/api/download", json={"url": VIDEO})

    assert answer.status_code == 202
    body = answer.json()
    root = str(api.base_url).rstrip("/")
    assert body["status"] == "queued"
    assert {name: body[name] for name in ("status_url", "ws_url", "events_url")} == {
        "status_url": f"{root}/api/jobs/{body['job_id']}",
        "ws_url": f"{root.replace('http', 'ws')}/ws/download/{body['job_id']}",
        "events_url": f"{root}/sse/download/{body['job_id']}",
    }
    assert answer.headers["location"] == body["status_url"]
    assert "idempotency-replayed" not in answer.headers
    assert api.get(body["status_url"]).json() == {**body, "history": []}


def test_fifty_equal_ones_at_once_are_fifty_jobs_and_one_download(api: httpx2.Client, backstage: Backstage) -> None:
    spellings = [VIDEO, "HTTPS://Example.ORG:443/video#top"]
    with ThreadPoolExecutor(10) as pool:
        jobs = [job["job_id"] for job in pool.map(lambda n: post(api, spellings[n % 2]), range(50))]

    assert len(set(jobs)) == 50
    assert len({backstage.download_id(job_id) for job_id in jobs}) == 1
    assert backstage.redis(lambda redis: redis.zcard(keys.QUEUE)) == 1


@pytest.mark.parametrize("asked", [{"priority": "bulk"}, {"force": True}, {"priority": "interactive", "force": False}])
def test_the_job_shows_how_it_was_asked_for(api: httpx2.Client, backstage: Backstage, asked: dict[str, Any]) -> None:
    job = accepted(api.post("/api/download", json={"url": VIDEO, **asked}))

    shown = api.get(job["status_url"]).json()
    assert {name: shown[name] for name in ("priority", "force", "retry_of")} == {
        "priority": "interactive", "force": False, "retry_of": None, **asked,
    }  # fmt: skip


@pytest.mark.parametrize(
    "nulls",
    [{"format": None}, {"priority": None}, {"force": None}, {"format": None, "priority": None, "force": None},
     {"format": {"quality": None}}, {"format": {"quality": None, "container": None}}],
)  # fmt: skip
def test_null_is_as_if_it_were_left_out(api: httpx2.Client, nulls: dict[str, Any]) -> None:
    sent = {"Idempotency-Key": "k"}
    job = post(api, headers=sent)
    again = accepted(api.post("/api/download", json={"url": VIDEO, **nulls}, headers=sent))

    assert again == job, "the same request, by its key"


def test_null_beside_a_choice(api: httpx2.Client) -> None:
    job = accepted(api.post("/api/download", json={"url": VIDEO, "format": {"quality": "audio", "container": None}}))

    assert api.get(job["status_url"]).json()["format"] == {"quality": "audio", "container": "any"}


def test_one_that_is_forced_does_not_join_one_that_is_not(api: httpx2.Client, backstage: Backstage) -> None:
    plain = post(api)
    forced = [accepted(api.post("/api/download", json={"url": VIDEO, "force": True})) for _ in range(2)]

    assert len({backstage.download_id(job["job_id"]) for job in (plain, *forced)}) == 2
    assert backstage.download_id(forced[0]["job_id"]) == backstage.download_id(forced[1]["job_id"])


def test_one_that_joins_a_running_download_is_told_so(api: httpx2.Client, backstage: Backstage) -> None:
    backstage.begin(post(api)["job_id"])

    assert post(api)["status"] == "processing"


def test_the_job_goes_on_in_the_callers_trace(api: httpx2.Client, backstage: Backstage) -> None:
    answer = api.post("/api/download", json={"url": VIDEO}, headers={"traceparent": TRACE})
    kept = _traceparent(backstage, answer.json()["job_id"])

    assert kept == answer.headers["traceresponse"] != TRACE
    assert trace_id(kept) == trace_id(TRACE)


@pytest.mark.parametrize("sent", ["", "00-xyz", TRACE + "-more"])
def test_a_trace_that_is_none_is_replaced(api: httpx2.Client, backstage: Backstage, sent: str) -> None:
    job = post(api, headers={"traceparent": sent})

    assert trace_id(_traceparent(backstage, job["job_id"])) not in {"", trace_id(TRACE)}


def test_a_repeated_key_answers_with_the_same_job(api: httpx2.Client, backstage: Backstage) -> None:
    sent: dict[str, Any] = {"json": {"url": VIDEO}, "headers": {"Idempotency-Key": "a-key"}}
    first, size = api.post("/api/download", **sent), backstage.size()
    again = api.post("/api/download", **sent)

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert backstage.size() == size
    [kept] = backstage.redis(lambda redis: redis.keys(keys.IDEMPOTENCY + "*"))
    assert 24 * 3600 - 60 < backstage.redis(lambda redis: redis.ttl(kept)) <= 24 * 3600


def test_a_repeated_key_tells_how_the_job_is_now(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api, headers={"Idempotency-Key": "k"})
    backstage.fail(job["job_id"], ErrorCode.PRIVATE)

    again = post(api, headers={"Idempotency-Key": "k"})
    assert (again["job_id"], again["status"]) == (job["job_id"], "failed")
    assert {**again, "history": []} == {**api.get(job["status_url"]).json(), "history": []}


def test_a_key_with_another_body_is_refused(api: httpx2.Client, backstage: Backstage) -> None:
    post(api, headers={"Idempotency-Key": "k"})
    size = backstage.size()

    for body in (
        {"url": VIDEO + "2"},
        {"url": VIDEO, "format": {"quality": "360"}},
        {"url": VIDEO, "priority": "bulk"},
        {"url": VIDEO, "force": True},
        {"url": VIDEO, "external_id": "another"},
        {"url": VIDEO, "metadata": {}},
    ):
        answer = api.post("/api/download", json=body, headers={"Idempotency-Key": "k"})
        problem(answer, 422, "idempotency_mismatch")
    assert backstage.size() == size
    assert post(api, VIDEO + "#another-spelling", headers={"Idempotency-Key": "k"})


def test_a_key_is_its_callers_own(api: httpx2.Client) -> None:
    """Of whom the trusted proxies tell; of IPv6 a /64 is one caller."""
    callers = ["192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"]
    sent = [{"Idempotency-Key": "k", "X-Forwarded-For": caller} for caller in [*callers, "2001:db8:0:1:2::2"]]
    *jobs, same = [post(api, headers=headers)["job_id"] for headers in sent]

    assert len(set(jobs)) == len(callers)
    assert same == jobs[2]
    assert post(api, headers={**sent[0], "X-Forwarded-For": "203.0.113.9, 192.0.2.1"})["job_id"] == jobs[0]


def test_a_key_of_another_caller_is_no_mismatch(api: httpx2.Client) -> None:
    post(api, headers={"Idempotency-Key": "k", "X-Forwarded-For": "192.0.2.1"})

    assert post(api, VIDEO + "2", headers={"Idempotency-Key": "k", "X-Forwarded-For": "192.0.2.2"})


def test_a_key_is_of_one_public_address(open_app: OpenApp) -> None:
    """The job that it answers with has links, which were made for those who asked there."""
    client = open_app(allowed_hosts="a.example, b.example")
    jobs = {
        host: post(client, headers={"Idempotency-Key": "k", "Host": host})["job_id"]
        for host in ("a.example", "b.example", "A.example.")
    }

    assert jobs["a.example"] == jobs["A.example."] != jobs["b.example"]


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"two words", b"tab\there", "schlüssel".encode()])
def test_a_key_that_is_none_is_refused(api: httpx2.Client, backstage: Backstage, key: bytes) -> None:
    answer = api.post("/api/download", json={"url": VIDEO}, headers=[(b"Idempotency-Key", key)])

    assert "Idempotency-Key" in problem(answer, 422, "invalid_request")["detail"]
    assert backstage.size() == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, '"quoted"'])
def test_any_visible_key_will_do(api: httpx2.Client, key: str) -> None:
    assert post(api, headers={"Idempotency-Key": key})


def test_a_request_that_is_labelled_otherwise_is_another(api: httpx2.Client) -> None:
    sent = {"Idempotency-Key": "k"}
    body = {"url": VIDEO, "external_id": "a", "metadata": {"x": {"p": 1, "q": 2}, "y": [1, 2]}}
    job = accepted(api.post("/api/download", json=body, headers=sent))

    same = {**body, "metadata": {"y": [1, 2], "x": {"q": 2, "p": 1}}}
    assert accepted(api.post("/api/download", json=same, headers=sent))["job_id"] == job["job_id"]
    for other in ({"external_id": "b"}, {"external_id": None}, {"metadata": {"y": [2, 1]}}, {"metadata": None}):
        answer = api.post("/api/download", json={**body, **other}, headers=sent)
        problem(answer, 422, "idempotency_mismatch")


def test_above_the_cap_it_is_sent_away_for_a_while(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(queue_cap="1")
    post(client)
    size = backstage.size()

    problem(client.post("/api/download", json={"url": VIDEO + "2"}), 503, "queue_full")
    assert backstage.size() == size
    assert post(client), "one that only joins takes no place"


def _traceparent(backstage: Backstage, job_id: str) -> str:
    return str(backstage.redis(lambda redis: redis.hget(keys.JOB + job_id, "traceparent")).decode())
