"""A job as it is shown."""

from dataclasses import asdict

import httpx2
import orjson

from support.answers import VIDEO, post
from support.backstage import Backstage
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode, Failure


def test_a_job_is_shown_as_it_is(api: httpx2.Client) -> None:
    job = post(api, quality="720")
    answer = api.get(job["status_url"])

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"
    shown = answer.json()
    assert shown | {"created_at": "", "timestamp": "", "cursor": ""} == {
        "job_id": job["job_id"], "url": VIDEO, "format": {"quality": "720", "container": "any"}, "created_at": "",
        "cursor": "", "ws_url": job["ws_url"], "events_url": job["events_url"], "status": "queued", "stage": "queued",
        "progress": 0.0, "message": "Waiting for a worker", "seq": 1, "attempt": 0, "timestamp": "",
        "downloaded_bytes": None, "total_bytes": None, "speed": None, "eta": None, "title": None, "thumbnail": None,
        "retries": 0, "max_retries": None, "retry_at": None, "priority": "interactive", "force": False,
        "retry_of": None, "kind": "download", "external_id": None, "metadata": None, "expires_at": None,
        "parent": None, "batch": None, "probe": None,
        "status_url": job["status_url"], "history": [],
    }  # fmt: skip
    assert shown["cursor"].endswith("-1")


def test_an_id_may_be_written_in_capitals(api: httpx2.Client) -> None:
    job = post(api)

    assert api.get(f"/api/jobs/{job['job_id'].upper()}").json()["job_id"] == job["job_id"]


def test_a_failure_is_shown(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    backstage.fail(job["job_id"], ErrorCode.GEO_BLOCKED)

    assert api.get(job["status_url"]).json()["error"] == asdict(Failure.of(ErrorCode.GEO_BLOCKED))


def test_what_a_newer_worker_tells_is_passed_on(api: httpx2.Client, backstage: Backstage) -> None:
    """Two releases run side by side during an update."""
    job = post(api)
    key = keys.JOB + job["job_id"]
    message = orjson.loads(backstage.redis(lambda redis: redis.hget(key, "state")))
    message["data"].update(stage="polishing", codec="av1", total_bytes=2**53 + 1)
    backstage.redis(lambda redis: redis.hset(key, "state", orjson.dumps(message)))

    shown = api.get(job["status_url"]).json()
    assert (shown["stage"], shown["codec"], shown["total_bytes"]) == ("polishing", "av1", 2**53 + 1)
