"""What became of a job's events, and sending one again: for its owner alone."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from support.access import KeysFile, bearer
from support.answers import VIDEO, accepted, problem
from support.backstage import Backstage
from support.receiver import SECRET
from unit.api.conftest import OpenApp
from vidferry_api.webhooks.deliveries import hide_query
from vidferry_common.contract import keys
from vidferry_common.store import Delivery, DeliveryAttempt, Settlement, Store

URL = "https://hooks.example.org/a?key=hush&b"
TABLE = '[owners.{}.webhook]\nsecrets = ["' + SECRET + '"]\nurl = "' + URL + '"\n'


@pytest.fixture
def file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.toml", TABLE.format("team-a") + TABLE.format("team-b"))


@pytest.fixture
def mine(file: KeysFile) -> dict[str, str]:
    return bearer(file.add("team-a"))


@pytest.fixture
def client(file: KeysFile, mine: dict[str, str], open_app: OpenApp) -> TestClient:
    return open_app(**file.settings())


def cancelled(client: TestClient, headers: dict[str, str]) -> str:
    """The path of the deliveries of a job that has one event."""
    job = accepted(client.post("/api/download", json={"url": VIDEO}, headers=headers))
    assert client.delete(f"/api/jobs/{job['job_id']}", headers=headers).status_code == 200
    return f"/api/jobs/{job['job_id']}/deliveries"


def settle(backstage: Backstage, status: int, *, settled: bool, disabled: bool | None = None) -> None:
    """A worker has tried to deliver all events that wait."""

    async def work(store: Store) -> None:
        for task in (await store.deliveries.take(10, 30))[0]:
            delivery = Delivery.parse(task)
            told = "delivered" if status < 300 else "disabled" if disabled else "pending"
            attempt = DeliveryAttempt(1_769_852_400_125, 0.25, status, None)
            log = delivery.event.log.with_attempt(attempt, told, None if settled else 1_769_852_460_000)
            await store.deliveries.settle(delivery, Settlement(log, settled, 60, disabled=disabled))

    backstage.store(work)


def test_the_deliveries_of_a_job(client: TestClient, mine: dict[str, str], backstage: Backstage) -> None:
    path = cancelled(client, mine)
    job_id = path.split("/")[3]
    settle(backstage, 500, settled=False)
    answer = client.get(path, headers=mine)
    assert answer.headers["cache-control"] == "private, no-store"
    found: dict[str, Any] = answer.json()
    assert found["webhook"]["url"] == "https://hooks.example.org/a?key=***&***"
    assert "hush" not in answer.text
    assert found["webhook"]["disabled_until"] is None
    (event,) = found["events"]
    assert event["created_at"].endswith("Z")
    assert event == {
        "event_id": f"evt_{job_id}_2",
        "type": "job.cancelled",
        "created_at": event["created_at"],
        "status": "pending",
        "attempt_count": 1,
        "next_attempt_at": "2026-01-31T09:41:00.000Z",
        "attempts": [{"at": "2026-01-31T09:40:00.125Z", "duration": 0.25, "status": 500, "error": None}],
    }


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", ""), ("?", "?"), ("?hush", "?***"), ("?a=hush=hush&b=&=hush", "?a=***&b=***&=***"), ("?a=hu?sh", "?a=***")],
)
def test_values_of_a_query_are_not_shown(query: str, shown: str) -> None:
    assert hide_query(f"https://hooks.example.org/a{query}") == f"https://hooks.example.org/a{shown}"


def test_a_job_without_a_webhook_has_none(open_app: OpenApp) -> None:
    client = open_app()
    job = accepted(client.post("/api/download", json={"url": VIDEO}))
    assert client.get(f"/api/jobs/{job['job_id']}/deliveries").json() == {"webhook": None, "events": []}


def test_an_event_is_not_sent_again_while_too_many_wait(
    file: KeysFile, mine: dict[str, str], open_app: OpenApp, backstage: Backstage
) -> None:
    client = open_app(queue_bytes=str(2**20), **file.settings())
    path = cancelled(client, mine)
    settle(backstage, 204, settled=True)
    resend = f"{path}/{client.get(path, headers=mine).json()['events'][0]['event_id']}/resend"
    cancelled(client, mine)  # whose event waits
    backstage.redis(lambda redis: redis.hset(keys.UNDELIVERED_BYTES, "team-a", 2**18 + 1))
    answer = client.post(resend, headers=mine)
    problem(answer, 429, "quota_exceeded")
    assert answer.headers["retry-after"] == "60"


def test_an_event_is_sent_again_when_it_is_done_with(
    client: TestClient, mine: dict[str, str], backstage: Backstage
) -> None:
    path = cancelled(client, mine)
    resend = f"{path}/{client.get(path, headers=mine).json()['events'][0]['event_id']}/resend"
    problem(client.post(resend, headers=mine), 409, "event_waiting")
    settle(backstage, 410, settled=True, disabled=True)
    found = client.get(path, headers=mine).json()
    assert (found["events"][0]["status"], bool(found["webhook"]["disabled_until"])) == ("disabled", True)

    answer = client.post(resend, headers=mine)
    assert (answer.status_code, answer.json()["status"], answer.json()["attempt_count"]) == (202, "pending", 1)
    problem(client.post(resend, headers=mine), 409, "event_waiting")
    settle(backstage, 204, settled=True, disabled=False)
    found = client.get(path, headers=mine).json()
    assert [each["status"] for each in found["events"][0]["attempts"]] == [410, 204]
    assert (found["events"][0]["status"], found["webhook"]["disabled_until"]) == ("delivered", None)


def test_another_owner_sees_and_sends_nothing(
    client: TestClient, file: KeysFile, mine: dict[str, str], backstage: Backstage
) -> None:
    theirs, reader = bearer(file.add("team-b")), bearer(file.add("reader", "team-a", ["jobs:read"]))
    client.app.state.services.authenticator._keys.refresh()  # type: ignore[attr-defined]
    path = cancelled(client, mine)
    own = cancelled(client, theirs)
    settle(backstage, 204, settled=True)
    event = client.get(path, headers=mine).json()["events"][0]["event_id"]

    problem(client.get(path, headers=theirs), 404, "job_not_found")
    problem(client.post(f"{path}/{event}/resend", headers=theirs), 404, "job_not_found")
    # Nor through a job of one's own.
    problem(client.post(f"{own}/{event}/resend", headers=theirs), 404, "event_not_found")
    problem(client.post(f"{path}/{event}/resend", headers=reader), 403, "forbidden")
    assert client.get(path, headers=reader).status_code == 200
    problem(client.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("event", ["evt_1", "evt_{}_9", "evt_{}_2%20", "evt_{}_02", "{}_2", "a" * 4000])
def test_events_that_are_none(client: TestClient, mine: dict[str, str], backstage: Backstage, event: str) -> None:
    path = cancelled(client, mine)
    settle(backstage, 204, settled=True)
    answer = client.post(f"{path}/{event.format(path.split('/')[3])}/resend", headers=mine)
    problem(answer, 404, "event_not_found")
