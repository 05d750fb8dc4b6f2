"""Which requests get a webhook, and where its events go."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.access import KeysFile, bearer
from support.answers import VIDEO, accepted, problem
from support.backstage import Backstage
from support.batches import make
from support.receiver import SECRET
from support.records import Records
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys
from vidferry_common.store import Store

URL = "https://hooks.example.org/a?key=1"
WEBHOOK = {"webhook_secrets": SECRET}


def field_of(backstage: Backstage, job: dict[str, Any]) -> list[str]:
    """The types and the URL of a job's webhook, as its record keeps them; nothing where it has none."""
    found = backstage.redis(lambda redis: redis.hget(keys.JOB + job["job_id"], "webhook"))
    if not found:
        return []
    types, _, _, url = found.decode().split(" ", 3)
    return [types, url]


def ask(client: httpx2.Client, webhook: Any, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
    return client.post("/api/download", json={"url": VIDEO, "webhook": webhook, **fields}, headers=headers or {})


def test_a_request_names_url_and_events(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(**WEBHOOK)
    job = accepted(ask(client, {"url": "HTTPS://Hooks.example.ORG/a?key=1", "events": ["job.failed", "job.completed"]}))
    assert field_of(backstage, job) == ["job.completed,job.failed", URL]
    assert "webhook" not in job, "a watcher with a ticket may not be told"
    every = field_of(backstage, accepted(ask(client, {"url": URL, "events": None})))
    assert every == ["job.started,job.info,job.completed,job.failed,job.cancelled", URL]
    for nothing in ({"url": URL, "events": []}, {"url": URL, "events": ["batch.completed"]}, None):
        assert field_of(backstage, accepted(ask(client, nothing))) == []
    client.delete(f"/api/jobs/{job['job_id']}")
    assert field_of(backstage, accepted(client.post(f"/api/jobs/{job['job_id']}/retry"))) == [
        "job.completed,job.failed", URL,
    ]  # fmt: skip


def test_a_batch_tells_its_end(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(**WEBHOOK)
    answer = client.post("/api/batches", json={"urls": [VIDEO], "webhook": {"url": URL}})
    batch = accepted(answer)
    assert field_of(backstage, batch) == ["batch.completed", URL]
    client.delete(f"/api/jobs/{batch['job_id']}")
    again = accepted(client.post(f"/api/jobs/{batch['job_id']}/retry"))
    assert field_of(backstage, again) == ["batch.completed", URL]
    only_jobs = {"urls": [VIDEO], "webhook": {"url": URL, "events": ["job.failed"]}}
    assert field_of(backstage, accepted(client.post("/api/batches", json=only_jobs))) == []


def test_another_webhook_is_another_request(open_app: OpenApp) -> None:
    client = open_app(**WEBHOOK)
    key = {"idempotency-key": "one"}
    first = accepted(ask(client, {"url": URL, "events": ["job.failed", "job.completed"]}, key))
    again = accepted(ask(client, {"url": URL, "events": ["job.completed", "job.failed"]}, key))
    assert again["job_id"] == first["job_id"]
    problem(ask(client, {"url": URL}, key), 422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("webhook", "field"),
    [
        ({"url": "http://hooks.example.org/"}, "webhook.url"),
        ({"url": "ftp://hooks.example.org/"}, "webhook.url"),
        ({"url": "https://user:password@hooks.example.org/"}, "webhook.url"),
        ({"url": "https://hooks.example.org/\r\nX-Injected: 1"}, "webhook.url"),
        ({"url": "https://hooks.example.org/" + "a" * 3000}, "webhook.url"),
        ({"url": ""}, "webhook.url"),
        ({"url": 7}, "webhook.url"),
        ({}, "webhook.url"),
        ({"url": URL, "events": ["job.exploded"]}, "webhook.events.0"),
        ({"url": URL, "events": ["job.failed"] * 7}, "webhook.events"),
        ({"url": URL, "events": "job.failed"}, "webhook.events"),
        ({"url": URL, "secret": "mine"}, "webhook.secret"),
        (URL, "webhook"),
        ([], "webhook"),
    ],
)
def test_what_is_refused(open_app: OpenApp, backstage: Backstage, webhook: Any, field: str) -> None:
    refused = problem(ask(open_app(**WEBHOOK), webhook), 422, "invalid_request")
    assert [each["field"] for each in refused["errors"]] == [field]
    assert "user:password" not in str(refused)
    assert backstage.redis(lambda redis: redis.keys(keys.JOB + "*")) == []


def test_http_is_for_who_allows_it(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(**WEBHOOK, webhook_http="true")
    assert field_of(backstage, accepted(ask(client, {"url": "http://hooks.example.org/"})))


def test_without_a_secret_there_is_no_webhook(open_app: OpenApp) -> None:
    client = open_app()
    problem(ask(client, {"url": URL}), 422, "webhook_unavailable")
    accepted(ask(client, None))
    accepted(ask(client, {"events": []}))


Owners = tuple[TestClient, dict[str, dict[str, str]]]


@pytest.fixture
def owners(tmp_path: Path, open_app: OpenApp) -> Owners:
    """An app with three owners: team-a has a URL for all its jobs, team-b only a secret, team-c nothing."""
    table = f'[owners.team-a.webhook]\nsecrets = ["{SECRET}"]\nurl = "{URL}"\nevents = ["job.failed"]\n'
    file = KeysFile(tmp_path / "keys.toml", f'{table}[owners.team-b.webhook]\nsecrets = ["{SECRET}"]\n')
    told = {name: bearer(file.add(name)) for name in ("team-a", "team-b", "team-c")}
    return open_app(**file.settings(), **WEBHOOK), told


def test_each_owner_has_its_own(owners: Owners, backstage: Backstage) -> None:
    client, who = owners
    mine = accepted(client.post("/api/download", json={"url": VIDEO}, headers=who["team-a"]))
    assert field_of(backstage, mine) == ["job.failed", URL]
    other = accepted(ask(client, {"events": ["job.completed"]}, who["team-a"]))
    assert field_of(backstage, other) == ["job.completed", URL]
    assert field_of(backstage, accepted(ask(client, {"events": []}, who["team-a"]))) == []

    assert field_of(backstage, accepted(ask(client, None, who["team-b"]))) == []
    problem(ask(client, {"events": ["job.failed"]}, who["team-b"]), 422, "invalid_request")
    assert field_of(backstage, accepted(ask(client, {"url": URL}, who["team-b"])))
    # The secret for open access signs nothing of an owner's.
    problem(ask(client, {"url": URL}, who["team-c"]), 422, "webhook_unavailable")


def test_a_batch_and_its_jobs_have_the_same(owners: Owners, backstage: Backstage) -> None:
    client, who = owners

    def post(owner: str, **fields: Any) -> dict[str, Any]:
        """The batch, once its jobs are made."""
        batch = accepted(client.post("/api/batches", json={"urls": ["no URL", VIDEO], **fields}, headers=who[owner]))
        backstage.redis(lambda redis: make(Records(Store(redis, 3600), redis)))
        return batch

    def fields_of(batch: dict[str, Any], owner: str) -> list[list[str]]:
        """Of the batch, and of its jobs."""
        found = client.get("/api/jobs", params={"batch": batch["job_id"]}, headers=who[owner]).json()["jobs"]
        return [field_of(backstage, job) for job in (batch, *found)]

    mine = post("team-a", webhook={"events": ["batch.completed", "job.failed"]})
    assert fields_of(mine, "team-a") == [["batch.completed", URL], ["job.failed", URL], ["job.failed", URL]]
    assert "webhook" not in mine
    problem(client.get(f"/api/jobs/{mine['job_id']}/deliveries", headers=who["team-b"]), 404, "job_not_found")
    client.delete(mine["status_url"], headers=who["team-a"])
    again = accepted(client.post(f"{mine['status_url']}/retry", headers=who["team-a"]))
    assert field_of(backstage, again) == ["batch.completed", URL]
    backstage.redis(lambda redis: make(Records(Store(redis, 3600), redis)))

    assert fields_of(post("team-a"), "team-a") == [[], ["job.failed", URL], ["job.failed", URL]]
    assert fields_of(post("team-a", webhook={"events": []}), "team-a") == [[], [], []]
    assert fields_of(post("team-b"), "team-b") == [[], [], []]
    problem(
        client.post("/api/batches", json={"urls": [VIDEO], "webhook": {"url": URL}}, headers=who["team-c"]),
        422,
        "webhook_unavailable",
    )
    problem(
        client.post("/api/batches", json={"urls": [VIDEO], "webhook": {"url": "http://x/"}}, headers=who["team-a"]),
        422,
        "invalid_request",
    )


def test_events_that_wait_are_a_limit(
    owners: tuple[TestClient, dict[str, dict[str, str]]], backstage: Backstage
) -> None:
    client, who = owners
    half = str(128 * 1024**2 // 2)
    backstage.redis(lambda redis: redis.hset(keys.ROOM, "undelivered", half))
    backstage.redis(lambda redis: redis.hset(keys.UNDELIVERED_BYTES, "team-a", half))
    backstage.redis(lambda redis: redis.zadd(keys.DELIVERIES, {"some-job": 9e15}))
    refused = client.post("/api/download", json={"url": VIDEO}, headers=who["team-a"])
    assert "receiver" in problem(refused, 429, "quota_exceeded")["detail"]
    assert int(refused.headers["retry-after"]) > 0
    accepted(ask(client, {"events": []}, who["team-a"]))
    accepted(ask(client, {"url": URL}, who["team-b"]))
