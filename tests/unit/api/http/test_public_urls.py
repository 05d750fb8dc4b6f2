"""Which addresses the api gives out: by its setting, by its proxy, by the request."""

import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp
from vidferry_common.contract import keys

KNOWN = {"allowed_hosts": "testserver, media.example.org"}
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "media.example.org"}


@pytest.mark.parametrize(
    ("host", "root"),
    [("localhost:3001", "http://localhost:3001"), ("media.example.org", "http://media.example.org"),
     ("[::1]:3001", "http://[::1]:3001"), ("my_api:80", "http://my_api:80"), ("LOCALHOST.:80", "http://localhost:80")],
)  # fmt: skip
def test_by_the_host_that_the_client_names(open_app: OpenApp, backstage: Backstage, host: str, root: str) -> None:
    job = post(open_app(allowed_hosts="media.example.org, my_api"), headers={"Host": host})

    assert job["status_url"] == f"{root}/api/jobs/{job['job_id']}"
    assert job["ws_url"] == f"ws{root.removeprefix('http')}/ws/download/{job['job_id']}"
    assert backstage.redis(lambda redis: redis.hget(keys.JOB + job["job_id"], "public_root")) == root.encode()


def test_by_a_proxy_that_is_trusted(open_app: OpenApp) -> None:
    client = open_app(peer="10.1.2.3", trusted_proxies="192.168.0.0/16, 10.0.0.0/8", **KNOWN)
    job = post(client, headers=FORWARDED)

    assert job["status_url"].startswith("https://media.example.org/api/jobs/")
    assert job["ws_url"].startswith("wss://media.example.org/ws/download/")


def test_by_the_outermost_of_several_proxies(open_app: OpenApp) -> None:
    several = {"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "media.example.org, inner"}

    assert post(open_app(peer="127.0.0.1", **KNOWN), headers=several)["status_url"].startswith(
        "https://media.example.org/"
    )


def test_anyone_else_is_no_proxy(open_app: OpenApp) -> None:
    assert post(open_app(), headers=FORWARDED)["status_url"].startswith("http://testserver/")


@pytest.mark.parametrize(
    "wrong", [{"X-Forwarded-Host": "a/b"}, {"X-Forwarded-Host": "a:99999"}, {"X-Forwarded-Proto": "javascript"}]
)
def test_a_proxy_may_not_say_anything(open_app: OpenApp, wrong: dict[str, str]) -> None:
    answer = open_app(peer="::1").post("/api/download", json={"url": VIDEO}, headers=wrong)

    problem(answer, 400, "invalid_host")


def test_by_the_setting_before_all_else(open_app: OpenApp, backstage: Backstage) -> None:
    client = open_app(peer="127.0.0.1", public_url="https://media.example.org/videos/")
    job = post(client, headers={**FORWARDED, "Host": "localhost:3001"})

    assert job["status_url"] == f"https://media.example.org/videos/api/jobs/{job['job_id']}"
    assert job["ws_url"] == f"wss://media.example.org/videos/ws/download/{job['job_id']}"
    assert job["events_url"] == f"https://media.example.org/videos/sse/download/{job['job_id']}"
    stored = backstage.put(f"videos/prefix/{job['job_id']}", b"0123456789")
    backstage.complete(job["job_id"], stored)
    link = client.get(f"/api/jobs/{job['job_id']}/file").headers["location"]
    assert link.startswith("https://media.example.org/videos/files/")
