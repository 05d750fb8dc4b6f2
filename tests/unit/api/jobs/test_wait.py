"""GET of a job with `?wait`: it is answered when the job's status changes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.access import KeysFile, bearer
from support.answers import VIDEO, accepted, post, problem
from support.backstage import Backstage
from support.ports import free_port
from support.redis_server import redis_server
from support.services import Api
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import INFO, Stage, Status
from vidferry_common.metrics.catalogue import HTTP_DURATION

RUNNING = Update(Status.PROCESSING, Stage.STARTED, 0, "", 1)
SOON = 5.0
"""seconds; less than it takes to read a job again without having heard of a change"""
CONNECTION = "vidferry-api:changes:"

Ask = Callable[..., "Future[httpx2.Response]"]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Asks for a job in a thread of its own."""
    with ThreadPoolExecutor(8) as pool:

        def submit(url: str, wait: float = 50, **headers: str) -> "Future[httpx2.Response]":
            return pool.submit(httpx2.get, url, params={"wait": wait}, headers=headers, timeout=70, verify=False)

        yield submit


def connections(backstage: Backstage) -> list[dict[str, str]]:
    """Those of waiting requests, as Redis lists them."""
    listed: list[dict[str, str]] = backstage.redis(lambda redis: redis.client_list())
    return [each for each in listed if each["name"].startswith(CONNECTION)]


def watched(backstage: Backstage, *jobs: dict[str, Any]) -> list[int]:
    """How many subscribers each job has."""
    channels = [keys.CHANNEL + job["job_id"] for job in jobs]
    return [count for _, count in backstage.redis(lambda redis: redis.pubsub_numsub(*channels))]


def await_watched(backstage: Backstage, *jobs: dict[str, Any], count: int = 1) -> None:
    deadline = time.monotonic() + 20
    while set(watched(backstage, *jobs)) != {count}:
        assert time.monotonic() < deadline, watched(backstage, *jobs)
        time.sleep(0.005)


def test_it_is_answered_when_the_status_changes(api: httpx2.Client, backstage: Backstage, ask: Ask) -> None:
    job = post(api)
    asked = ask(job["status_url"])
    await_watched(backstage, job)
    claim = backstage.claim(job["job_id"])
    backstage.tell(claim, RUNNING)
    told = time.monotonic()
    answer = asked.result(SOON)

    assert time.monotonic() - told < 1
    assert (answer.status_code, answer.json()["status"]) == (200, "processing")
    assert answer.headers["etag"] == api.get(job["status_url"]).headers["etag"]

    again = ask(job["status_url"], **{"If-None-Match": answer.headers["etag"]})
    await_watched(backstage, job)
    backstage.tell(claim, RUNNING.at_step(INFO, title="Only a step"))
    backstage.finish(claim, RUNNING.as_failed(ErrorCode.PRIVATE))
    assert again.result(SOON).json()["status"] == "failed"


def test_what_changed_since_the_last_answer_is_told_at_once(api: httpx2.Client, backstage: Backstage, ask: Ask) -> None:
    job = post(api)
    etag = api.get(job["status_url"]).headers["etag"]
    claim = backstage.begin(job["job_id"])

    answer = ask(job["status_url"], **{"If-None-Match": f'W/{etag}, "of-another"'}).result(SOON)
    assert (answer.status_code, answer.json()["status"]) == (200, "processing")
    backstage.finish(claim, RUNNING.as_failed(ErrorCode.PRIVATE))
    ended = ask(job["status_url"]).result(SOON)
    assert ended.json()["status"] == "failed"
    assert ask(job["status_url"], **{"If-None-Match": ended.headers["etag"]}).result(SOON).status_code == 304


def test_the_end_of_the_time(api: httpx2.Client, backstage: Backstage, ask: Ask) -> None:
    """Progress is in the answer, and does not bring it sooner."""
    job = post(api)
    claim = backstage.begin(job["job_id"])
    before = api.get(job["status_url"])

    began = time.monotonic()
    same = ask(job["status_url"], 0.4, **{"If-None-Match": before.headers["etag"]})
    assert (same.result(SOON).status_code, same.result().content) == (304, b"")
    assert time.monotonic() - began >= 0.4
    other = ask(job["status_url"], 1.5, **{"If-None-Match": before.headers["etag"]})
    await_watched(backstage, job)
    backstage.tell(claim, RUNNING.at_step(INFO, title="A step"))
    assert not other.done()
    answer = other.result(SOON)
    assert (answer.status_code, answer.json()["title"]) == (200, "A step")


@pytest.mark.parametrize("wait", ["-1", "61", "60.5", "nan", "inf", "soon", "", "1e999"])
def test_a_time_that_is_none(api: httpx2.Client, wait: str) -> None:
    body = problem(api.get(post(api)["status_url"], params={"wait": wait}), 422, "invalid_request")
    assert [each["field"] for each in body["errors"]] == ["wait"]


def test_head_does_not_wait(api: httpx2.Client) -> None:
    job = post(api)
    began = time.monotonic()
    answer = api.head(job["status_url"], params={"wait": "60"})
    assert (answer.status_code, answer.headers["etag"]) == (200, api.get(job["status_url"]).headers["etag"])
    assert time.monotonic() - began < SOON


def test_a_job_that_nobody_knows(api: httpx2.Client, ask: Ask) -> None:
    unknown = post(api)["status_url"][:-12] + "0" * 12
    problem(ask(unknown).result(SOON), 404, "job_not_found")


def test_all_share_one_connection(api: httpx2.Client, backstage: Backstage) -> None:
    jobs = [post(api, f"{VIDEO}{number}") for number in range(8)]

    async def ask_all() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=200)
        async with httpx2.AsyncClient(timeout=70, limits=limits, verify=False) as client:
            asked = [
                asyncio.ensure_future(client.get(job["status_url"], params={"wait": 50}))
                for job in jobs for _ in range(20)
            ]  # fmt: skip
            await asyncio.to_thread(await_watched, backstage, *jobs)
            assert len(await asyncio.to_thread(connections, backstage)) == 1
            for job in jobs:
                await asyncio.to_thread(backstage.begin, job["job_id"])
            return list(await asyncio.gather(*asked))

    assert {answer.json()["status"] for answer in asyncio.run(ask_all())} == {"processing"}
    await_watched(backstage, *jobs, count=0)


def test_places_are_bounded_and_those_of_the_gone_are_free_at_once(
    start_api: Callable[..., Api], backstage: Backstage, ask: Ask
) -> None:
    one = start_api(backstage.server.url, backstage.folder, max_waits="1")
    with httpx2.Client(base_url=one.url) as client, httpx2.Client(verify=False) as leaving:
        job = post(client)
        with ThreadPoolExecutor(1) as pool:
            left = pool.submit(leaving.get, job["status_url"], params={"wait": 60}, timeout=1)
            await_watched(backstage, job)
            problem(ask(job["status_url"]).result(SOON), 503, "too_many_waits")
            assert client.get(job["status_url"]).status_code == 200, "who does not wait takes no place"
            assert isinstance(left.exception(), httpx2.TimeoutException)
        await_watched(backstage, job, count=0)
        assert ask(job["status_url"], 0.1).result(SOON).status_code == 200


def test_one_owner_leaves_places_to_others(
    start_api: Callable[..., Api], backstage: Backstage, ask: Ask, tmp_path: Path
) -> None:
    file = KeysFile(tmp_path / "keys.toml")
    a, b = [bearer(file.add(owner)) for owner in ("a", "b")]
    one = start_api(backstage.server.url, backstage.folder, max_waits="2", **file.settings())
    with httpx2.Client(base_url=one.url) as client:
        first, other = [accepted(client.post("/api/download", json={"url": VIDEO}, headers=owner)) for owner in (a, b)]
        waiting = ask(first["status_url"], **a)
        await_watched(backstage, first)
        problem(ask(first["status_url"], **a).result(SOON), 503, "too_many_waits")
        theirs = ask(other["status_url"], **b)
        await_watched(backstage, other)
        backstage.begin(first["job_id"])
        assert {asked.result(SOON).json()["status"] for asked in (waiting, theirs)} == {"processing"}


def test_a_cut_costs_no_change(api: httpx2.Client, backstage: Backstage, ask: Ask) -> None:
    job = post(api)
    asked = ask(job["status_url"])
    await_watched(backstage, job)
    (old,) = connections(backstage)
    backstage.redis(lambda redis: redis.client_kill_filter(_id=old["id"]))
    await_watched(backstage, job)
    (new,) = connections(backstage)
    assert new["id"] != old["id"]
    backstage.begin(job["job_id"])
    assert asked.result(SOON).json()["status"] == "processing"


def test_redis_goes_and_comes_back(start_api: Callable[..., Api], tmp_path: Path, ask: Ask) -> None:
    with redis_server() as server:
        process, backstage = start_api(server.url, tmp_path), Backstage(server, tmp_path)
        with httpx2.Client(base_url=process.url) as client:
            job = post(client)
            asked = ask(job["status_url"])
            await_watched(backstage, job)
            server.kill()
            problem(asked.result(20), 503, "redis_unavailable")
            problem(ask(job["status_url"]).result(20), 503, "redis_unavailable")
            server.start()
            again = ask(job["status_url"])
            await_watched(backstage, job)
            backstage.begin(job["job_id"])
            assert again.result(SOON).json()["status"] == "processing"


def test_who_stops_answers_before(start_api: Callable[..., Api], backstage: Backstage, ask: Ask) -> None:
    process = start_api(backstage.server.url, backstage.folder)
    with httpx2.Client(base_url=process.url) as client:
        job = post(client)
        etag = client.get(job["status_url"]).headers["etag"]
    asked = [ask(job["status_url"]), ask(job["status_url"], **{"If-None-Match": etag})]
    await_watched(backstage, job)
    began = time.monotonic()
    process.terminate()
    answers = [each.result(SOON) for each in asked]
    assert [answer.status_code for answer in answers] == [200, 304]
    assert answers[0].json()["status"] == "queued"
    process.wait()
    assert time.monotonic() - began < SOON


def test_waiting_is_no_slow_answer(start_api: Callable[..., Api], backstage: Backstage, ask: Ask) -> None:
    """The figure that dashboards show is how long the api takes, not how long a caller asked it to."""
    process = start_api(backstage.server.url, backstage.folder, admin_port=str(free_port()))
    with httpx2.Client(base_url=process.url) as client:
        job = post(client)
    assert ask(job["status_url"], 1.2).result(SOON).status_code == 200
    spent = process.admin.scrape().value(f"{HTTP_DURATION.name}_sum", route="/api/jobs/{job_id}", method="GET")
    assert 0 < spent < 1
