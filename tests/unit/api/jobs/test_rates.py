"""How many requests one caller may send, and what is answered where Redis has no room."""

import httpx2

from support.answers import VIDEO, accepted, post, problem
from support.backstage import Backstage
from support.redis_server import RedisServer
from support.services import Api
from unit.api.conftest import OpenApp
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
    client = open_app(queue_bytes=str(128 * 1024))
    answers = [client.post("/api/download", json={"url": f"{VIDEO}/{'a' * 1900}{number}"}) for number in range(8)]

    assert [answer.status_code for answer in answers[:5]] == [202] * 5
    problem(answers[7], 503, "queue_full")


def test_before_redis_refuses_the_api_does(
    api: httpx2.Client, shared_api: Api, shared_redis: RedisServer, backstage: Backstage
) -> None:
    """And goes on answering for what there is."""
    job = post(api)
    backstage.redis(lambda redis: redis.mset({f"other:{number}": b"x" * 1024**2 for number in range(20)}))
    counted = backstage.store(lambda store: store.read_memory()).counted
    backstage.redis(lambda redis: redis.config_set("maxmemory", int(counted / 0.95)))
    backstage.redis(lambda redis: redis.hdel(keys.ROOM, "looked", "share"))
    try:
        for _ in range(2):
            problem(api.post("/api/download", json={"url": VIDEO}), 503, "redis_full")
        assert len(shared_api.wait_for(REFUSED)) == 1, "once, not for each request"
        assert "errorstat_OOM" not in shared_redis.info("errorstats")
        backstage.begin(job["job_id"])
        assert api.get(job["status_url"]).json()["status"] == "processing"
        assert api.delete(job["status_url"]).json()["status"] == "cancelled"
    finally:
        backstage.redis(lambda redis: redis.config_set("maxmemory", 0))
