"""Which hosts the api answers to. test_known_hosts.py has which are known, and which are none."""

import socket

import httpx2
import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from support.redis_server import RedisServer
from support.services import Api
from unit.api.conftest import OpenApp, StartApi

PATHS = ["/", "/static/app.js", "/openapi.json", "/healthz", "/readyz", "/files/x?signature=y", "/nowhere",
         "/api/jobs/6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"]  # fmt: skip


def test_nothing_answers_to_a_host_that_is_not_known(api: httpx2.Client, backstage: Backstage) -> None:
    evil = {"Host": "evil.example"}
    answer = api.post("/api/download", json={"url": VIDEO}, headers=evil)

    assert "VIDFERRY_ALLOWED_HOSTS" in problem(answer, 421, "unknown_host")["detail"]
    assert backstage.size() == 0
    for path in PATHS:
        problem(api.get(path, headers=evil), 421, "unknown_host")


@pytest.mark.parametrize("public_url", [None, "https://media.example.org"])
@pytest.mark.parametrize("host", [[("Host", "a b")], [("Host", "ä.org".encode())], [("Host", "a"), ("Host", "a")]])
def test_nothing_answers_to_a_host_that_is_none(
    open_app: OpenApp, backstage: Backstage, host: list[tuple[str, str | bytes]], public_url: str | None
) -> None:
    """Whether an address is made of it or not."""
    client = open_app(**{"public_url": public_url} if public_url else {})

    problem(client.post("/api/download", json={"url": VIDEO}, headers=host), 400, "invalid_host")  # type: ignore[arg-type]
    problem(client.get("/healthz", headers=host), 400, "invalid_host")  # type: ignore[arg-type]
    assert backstage.size() == 0


def test_a_setting_makes_it_known(open_app: OpenApp) -> None:
    assert post(open_app(allowed_hosts="evil.example"), headers={"Host": "evil.example:3001"})


def test_the_address_that_a_connection_came_to_is_known(
    shared_redis: RedisServer, backstage: Backstage, start_api: StartApi
) -> None:
    """As those who come to a pod or a machine by its address name it."""
    api = start_api(shared_redis.url, backstage.folder, host="0.0.0.0")
    port = httpx2.URL(api.url).port
    for reached in ("127.0.0.3", "127.0.0.4"):
        assert httpx2.get(f"http://{reached}:{port}/healthz").status_code == 200
        answer = httpx2.get(f"http://{reached}:{port}/healthz", headers={"Host": "127.0.0.5"})
        problem(answer, 421, "unknown_host")


def test_a_page_can_not_pass_itself_off_as_a_proxy(api: httpx2.Client) -> None:
    told = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}

    problem(api.get("/healthz", headers=told), 421, "unknown_host")


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [("http://evil.example/healthz", "localhost", 421), ("http://localhost/healthz", "evil.example", 200),
     ("HTTPS://LOCALHOST:1?x", "localhost", 200), ("http://me@localhost/healthz", "localhost", 400),
     ("//evil.example/healthz", "localhost", 404)],
)  # fmt: skip
def test_a_target_that_is_a_whole_url_names_the_host(shared_api: Api, target: str, host: str, status: int) -> None:
    """RFC 9112 §3.2.2"""
    with socket.create_connection(("127.0.0.1", httpx2.URL(shared_api.url).port or 0), timeout=20) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
