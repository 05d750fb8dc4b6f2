"""Without Redis, without the bucket: what is still answered, and that it comes back by itself."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.answers import VIDEO, accepted, post, problem
from support.backstage import Backstage
from support.redis_server import RedisServer, redis_server
from unit.api.conftest import StartApi


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def test_redis_goes_and_comes_back(redis: RedisServer, tmp_path: Path, start_api: StartApi) -> None:
    api = start_api(redis.url, tmp_path / "bucket")
    with httpx2.Client(base_url=api.url, timeout=30) as client:
        job = post(client)
        redis.kill()

        for answer in (
            client.post("/api/download", json={"url": VIDEO}),
            client.post(f"{job['status_url']}/retry"),
            client.delete(job["status_url"]),
            client.get(job["status_url"]),
            client.get(f"{job['status_url']}/file"),
            client.get(f"{job['status_url']}/thumbnail"),
        ):
            assert str(redis.folder) not in problem(answer, 503, "redis_unavailable")["detail"]
        assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/")] == [200, 200, 200]

        redis.start()
        assert client.get(job["status_url"]).json()["job_id"] == job["job_id"]
        assert post(client)["status"] == "queued"
        assert client.delete(job["status_url"]).json()["status"] == "cancelled"
        assert accepted(client.post(f"{job['status_url']}/retry"))["status"] == "queued"


def test_it_is_ready_only_when_it_has_seen_redis(redis: RedisServer, tmp_path: Path, start_api: StartApi) -> None:
    redis.kill()
    api = start_api(redis.url, tmp_path / "bucket", path="/healthz")

    problem(httpx2.get(f"{api.url}/readyz"), 503, "not_ready")
    redis.start()
    api.wait_until(lambda: api.status("/readyz") == 200)


def test_the_bucket_goes(redis: RedisServer, tmp_path: Path, start_api: StartApi) -> None:
    folder = tmp_path / "bucket"
    api, backstage = start_api(redis.url, folder), Backstage(redis, folder)
    stored = backstage.put("videos/test/outage", b"0123456789")
    with httpx2.Client(base_url=api.url, timeout=20) as client:
        job = post(client)
        backstage.complete(job["job_id"], stored)
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("a file where the folder was")

        answer = client.get(f"{job['status_url']}/file")
        assert str(tmp_path) not in problem(answer, 503, "storage_unavailable")["detail"]
        assert client.get(job["status_url"]).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_sigterm_lets_a_request_end(redis: RedisServer, tmp_path: Path, start_api: StartApi) -> None:
    api = start_api(redis.url, tmp_path / "bucket")
    content = b'{"url": "https://example.org/"}'

    def slow() -> Iterator[bytes]:
        yield content[:10]
        api.terminate()
        api.wait_until(lambda: api.status("/healthz") == 0)  # it takes nothing new
        yield content[10:]

    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    assert httpx2.post(f"{api.url}/api/download", content=slow(), headers=headers, timeout=20).status_code == 202
