"""How many requests one caller may send, and what is answered where Redis has no room."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.answers import VIDEO, accepted, post, problem
from support.api_process import Backstage
from support.redis_server import RedisServer, redis_server
from unit.api.conftest import OpenApp, StartApi
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode

REFUSED = (
    "Redis is full: 90 % of its maxmemory is used, so no job is accepted. Raise maxmemory, or lower "
    "VIDFERRY_ENDED_BYTES and VIDFERRY_QUEUE_BYTES"
)
REMAINING = '"caller";r={};t={}'


def ask(client: httpx2.Client, address: str = "198.51.100.7", number: int = 0) -> httpx2.Response:
    """A POST that comes from that address, by the proxy."""
    return client.post("/api/download", json={"url": f"{VIDEO}{number}"}, headers={"X-Forwarded-For": address})


def test_each_answer_tells_what_is_left_of_the_minute(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app("127.0.0.1", caller_rate="2")
    answers = [ask(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"caller";q=2;w=60'}
    assert answers[0].headers["ratelimit"] == REMAINING.format(1, 30)
    assert answers[1].headers["ratelimit"].startswith('"caller";r=0;t=')
    assert answers[2].headers["ratelimit"] == REMAINING.format(0, 60)
    detail = problem(answers[2], 429, "too_many_requests")["detail"]
    seconds = int(answers[2].headers["retry-after"])
    assert 20 <= seconds <= 30
    assert f"2 requests per minute. Try again in {seconds} s" in detail

    (caller,) = backstage.redis(lambda redis: redis.keys(keys.REQUESTS + "*"))
    backstage.redis(lambda redis: redis.incrbyfloat(caller, -seconds * 1000))
    assert ask(client).status_code == 202, "after that time"


def test_who_is_no_proxy_speaks_for_itself_alone(open_app: OpenApp) -> None:
    client = open_app("192.0.2.7", caller_rate="1")

    assert [ask(client, address).status_code for address in ("198.51.100.7", "198.51.100.8")] == [202, 429]


def test_all_apis_count_together(open_app: OpenApp) -> None:
    clients = [open_app("127.0.0.1", caller_rate="2") for _ in range(2)]

    assert [ask(client).status_code for client in (*clients, *clients)] == [202, 202, 429, 429]


def test_a_retry_counts_and_what_redis_is_not_asked_does_not(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app("192.0.2.7", caller_rate="2")
    for _ in range(3):
        assert client.post("/api/download", json={"url": "no address"}).status_code == 422
    job = post(client)
    backstage.fail(job["job_id"], ErrorCode.STALLED)
    accepted(client.post(f"{job['status_url']}/retry"))

    problem(client.post(f"{job['status_url']}/retry"), 429, "too_many_requests")
    assert client.get(job["status_url"]).status_code == 200


def test_who_is_over_its_rate_may_cancel(open_app: OpenApp) -> None:
    client = open_app(caller_rate="1")
    job = post(client)
    problem(client.post("/api/download", json={"url": VIDEO}), 429, "too_many_requests")

    assert client.delete(job["status_url"]).json()["status"] == "cancelled"


def test_a_rate_of_0_is_none(open_app: OpenApp, backstage: Backstage) -> None:
    answer = ask(open_app(caller_rate="0"))

    assert accepted(answer)
    assert "ratelimit" not in answer.headers
    assert backstage.redis(lambda redis: redis.keys(keys.REQUESTS + "*")) == []


def test_it_is_on_by_default(api: httpx2.Client) -> None:
    assert ask(api).headers["ratelimit-policy"] == '"caller";q=600;w=60'


def test_above_the_queues_bytes_it_is_sent_away_for_a_while(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(queue_bytes=str(64 * 1024))
    answers = [client.post("/api/download", json={"url": f"{VIDEO}/{'a' * 1900}{number}"}) for number in range(8)]

    assert [answer.status_code for answer in answers[:5]] == [202] * 5
    problem(answers[7], 503, "queue_full")


@pytest.fixture
def full_redis() -> Iterator[RedisServer]:
    """With room for hardly anything."""
    with redis_server("--maxmemory", "6mb", "--maxmemory-policy", "noeviction") as server:
        yield server


def test_before_redis_refuses_the_api_does(full_redis: RedisServer, start_api: StartApi, tmp_path: Path) -> None:
    """And goes on answering for what there is."""
    api = start_api(full_redis.url, tmp_path, caller_rate="0")
    backstage = Backstage(full_redis, tmp_path)
    with httpx2.Client(base_url=api.url, timeout=20) as client:
        job = post(client)
        deadline = time.monotonic() + 60
        long = f"{VIDEO}/{'a' * 1900}"
        while (answer := client.post("/api/download", json={"url": f"{long}{time.monotonic()}"})).is_success:
            assert time.monotonic() < deadline

        problem(answer, 503, "redis_full")
        problem(client.post("/api/download", json={"url": long}), 503, "redis_full")
        assert len(api.logged(1, message=REFUSED)) == 1, "once, not for each request"
        assert "errorstat_OOM" not in full_redis.info("errorstats")
        backstage.begin(job["job_id"])
        assert client.get(job["status_url"]).json()["status"] == "processing"
        assert client.delete(job["status_url"]).json()["status"] == "cancelled"
