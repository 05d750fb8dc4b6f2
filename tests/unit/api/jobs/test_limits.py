"""The limits of an owner, as its requests meet them."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from support.answers import VIDEO, problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp
from vidferry_api.access.principal import OwnerLimits, Principal, Scope
from vidferry_api.http.problems import Problem
from vidferry_api.jobs.limits import limit_format, parse_quality
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.formats import Container, Format, Quality
from vidferry_common.contract.identity import partition_of


class ByHeader:
    """Takes the owner from a header, in place of a key."""

    def __init__(self, **limits: Any) -> None:
        self._limits = OwnerLimits(**limits)

    async def identify(self, request: Request) -> Principal:
        owner = request.headers.get("x-owner", "")
        return Principal(owner, f"key of {owner}", frozenset(Scope), self._limits)

    def webhook_of(self, owner: str) -> None:
        """None: no owner is told anywhere."""


def opened(open_app: OpenApp, settings: dict[str, str] | None = None, **limits: Any) -> TestClient:
    client = open_app(**(settings or {}))
    client.app.state.services.authenticator = ByHeader(**limits)  # type: ignore[attr-defined]
    return client


def ask(
    client: TestClient, owner: str = "a", number: int = 0, headers: dict[str, str] | None = None, **fields: Any
) -> Any:
    body = {"url": f"{VIDEO}{number}", **fields}
    return client.post("/api/download", json=body, headers={"X-Owner": owner, **(headers or {})})


def test_a_key_over_its_rate_is_told_when_to_come_again(open_app: OpenApp) -> None:
    client = opened(open_app, requests_per_minute=2)
    job = ask(client).json()["job_id"]
    answer = client.get(f"/api/jobs/{job}", headers={"X-Owner": "a"})
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"key";q=2;w=60'
    assert answer.headers["ratelimit"].startswith('"key";r=0;t=')

    answer = client.get(f"/api/jobs/{job}", headers={"X-Owner": "a"})

    detail = problem(answer, 429, "rate_limit")["detail"]
    seconds = int(answer.headers["retry-after"])
    assert 50 <= seconds <= 60
    assert f"Try again in {seconds} s" in detail
    assert answer.headers.get_list("ratelimit-policy") == ['"key";q=2;w=60'], "once"
    assert ask(client, "b").status_code == 202
    assert client.get("/healthz").status_code == 200


def test_a_limit_that_is_reached_amid_many_retries_hides_none_of_them(open_app: OpenApp) -> None:
    client, owner = opened(open_app, jobs_waiting=3), {"X-Owner": "a"}
    jobs = [ask(client, number=number).json()["job_id"] for number in range(3)]
    assert client.post("/api/jobs:cancel", json={"job_ids": jobs}, headers=owner).json()["count"] == 3
    ask(client, number=3)

    retried = client.post("/api/jobs:retry", json={"job_ids": jobs}, headers=owner).json()

    assert retried["count"] == 2
    assert [(each["job_id"], each["code"]) for each in retried["failed"]] == [(jobs[2], "quota_exceeded")]
    answer = client.post("/api/jobs:retry", json={"job_ids": jobs[2:]}, headers=owner)
    problem(answer, 429, "quota_exceeded")


def test_retries_that_a_changed_limit_makes_different_are_told_one_by_one(open_app: OpenApp) -> None:
    client, sent = opened(open_app), {"X-Owner": "a", "Idempotency-Key": "k"}
    jobs = [ask(client, format={"quality": quality}).json()["job_id"] for quality in ("best", "360")]
    client.post("/api/jobs:cancel", json={"job_ids": jobs}, headers=sent)
    first = client.post("/api/jobs:retry", json={"job_ids": jobs}, headers=sent).json()
    client.app.state.services.authenticator = ByHeader(max_quality="480")  # type: ignore[attr-defined]

    again = client.post("/api/jobs:retry", json={"job_ids": jobs}, headers=sent).json()

    assert again["job_ids"] == first["job_ids"][1:]
    assert [(each["job_id"], each["code"]) for each in again["failed"]] == [(jobs[0], "idempotency_mismatch")]


def test_a_post_tells_both_rates(open_app: OpenApp) -> None:
    answer = ask(opened(open_app, requests_per_minute=9))

    assert answer.headers.get_list("ratelimit-policy") == ['"caller";q=600;w=60', '"key";q=9;w=60']


def test_without_a_limit_no_rate_of_a_key_is_told(open_app: OpenApp, backstage: Backstage) -> None:
    client = opened(open_app)
    job = ask(client).json()["job_id"]

    assert "ratelimit" not in client.get(f"/api/jobs/{job}", headers={"X-Owner": "a"}).headers
    assert backstage.redis(lambda redis: redis.keys(keys.KEY_REQUESTS + "*")) == []


def test_too_many_waiting_jobs_are_refused_with_the_limit(open_app: OpenApp) -> None:
    client = opened(open_app, jobs_waiting=1)
    assert ask(client).status_code == 202

    answer = ask(client, number=1)

    assert "At most 1 jobs" in problem(answer, 429, "quota_exceeded")["detail"]
    assert answer.headers["retry-after"] == "30"
    assert ask(client, "b", number=2).status_code == 202


def test_used_bytes_are_told_until_midnight(open_app: OpenApp, backstage: Backstage) -> None:
    client = opened(open_app, bytes_per_day=100)
    seconds = backstage.redis(lambda redis: redis.time())[0]
    backstage.redis(lambda redis: redis.set(f"{keys.OWNER_BYTES}{seconds // 86400}:a", 100))

    answer = ask(client)

    assert "100 bytes" in problem(answer, 429, "quota_exceeded")["detail"]
    assert abs(int(answer.headers["retry-after"]) - (86400 - seconds % 86400)) < 5
    assert ask(client, "b").status_code == 202


def test_an_owner_is_one_caller_whatever_its_addresses(open_app: OpenApp) -> None:
    client = opened(open_app, {"caller_rate": "2", "trusted_proxies": "192.0.2.0/24"})
    addresses = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(3)]

    statuses = [ask(client, "a", number, headers=each).status_code for number, each in enumerate(addresses)]

    assert statuses == [202, 202, 429]
    assert ask(client, "b", headers=addresses[0]).status_code == 202


def test_an_idempotency_key_is_its_owners(open_app: OpenApp) -> None:
    client = opened(open_app)
    key = {"Idempotency-Key": "one"}
    jobs = [ask(client, owner, headers=key).json()["job_id"] for owner in ("a", "b", "a")]

    assert jobs[0] == jobs[2] != jobs[1]


@pytest.mark.parametrize(
    ("asked", "best", "given"),
    [
        (Format(), "720p", Quality.P720),
        (Format(quality=Quality.BEST), "720p", Quality.P720),
        (Format(quality=Quality.P480), "720p", Quality.P480),
        (Format(quality=Quality.P720), "720", Quality.P720),
        (Format(), "2160p", Quality.P1080),
        (Format(quality=Quality.BEST), "best", Quality.BEST),
        (Format(quality=Quality.AUDIO), "360p", Quality.AUDIO),
        (Format(), "audio", Quality.AUDIO),
        (Format(quality=Quality.AUDIO), "audio", Quality.AUDIO),
        (Format(quality=Quality.BEST), "", Quality.BEST),
    ],
)
def test_the_quality_is_lowered_where_none_was_asked_for(asked: Format, best: str, given: Quality) -> None:
    assert limit_format(asked, OwnerLimits(max_quality=best)).quality is given


def test_the_container_stays(open_app: OpenApp) -> None:
    client = opened(open_app, max_quality="480p")
    job = ask(client, format={"container": "webm"}).json()["job_id"]

    document = client.get(f"/api/jobs/{job}", headers={"X-Owner": "a"}).json()
    assert document["format"] == {"quality": "480", "container": "webm"}


def test_a_better_quality_that_was_asked_for_is_refused(open_app: OpenApp) -> None:
    answer = ask(opened(open_app, max_quality="480p"), format={"quality": "720"})

    assert "best quality for this API key or token is 480" in problem(answer, 403, "forbidden")["detail"]


@pytest.mark.parametrize("text", ["4k", "", "1081p"])
def test_a_limit_that_names_no_quality_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"[qQ]uality"):
        parse_quality(text)


def test_containers_keep_their_limits_apart() -> None:
    lowered = limit_format(Format(container=Container.MKV), OwnerLimits(max_quality="360p"))

    assert lowered == Format(quality=Quality.P360, container=Container.MKV)
    for asked, best in ((Format(quality=Quality.P1080), "360p"), (Format(container=Container.MKV), "audio")):
        with pytest.raises(Problem):
            limit_format(asked, OwnerLimits(max_quality=best))


@pytest.mark.parametrize(("share", "downloads"), [("all", 1), ("owner", 2)])
def test_owners_share_a_download_unless_the_operator_says_no(
    share: str, downloads: int, open_app: OpenApp, backstage: Backstage
) -> None:
    client = opened(open_app, {"share_objects": share})
    for owner in ("a", "b", "a"):
        assert ask(client, owner).status_code == 202

    found = backstage.redis(lambda redis: redis.keys(keys.DOWNLOAD_BY_URL + "*"))
    assert len(found) == downloads
    assert partition_of("a") != partition_of("b")


def test_a_limit_that_is_met_amid_many_retries_leaves_the_rest(open_app: OpenApp, backstage: Backstage) -> None:
    client = opened(open_app, jobs_waiting=2)
    jobs = []
    for number in range(3):
        jobs.append(ask(client, number=number).json()["job_id"])
        backstage.fail(jobs[-1], ErrorCode.STALLED)

    found = client.post("/api/jobs:retry", json={"job_ids": jobs}, headers={"X-Owner": "a"}).json()

    assert found["count"] == len(found["job_ids"]) == 2
    assert [(each["job_id"], each["code"]) for each in found["failed"]] == [(jobs[2], "quota_exceeded")]
    again = client.post("/api/jobs:retry", json={"job_ids": jobs[2:]}, headers={"X-Owner": "a"})
    problem(again, 429, "quota_exceeded")
