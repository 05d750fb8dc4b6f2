"""Which hosts the api answers to: what a page names whose name was made to lead here is refused (DNS rebinding)."""

import socket

import httpx2
import pytest
from pydantic import ValidationError

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from support.redis_server import RedisServer
from support.services import Api
from unit.api.conftest import OpenApp, StartApi
from vidferry_api.settings import ApiSettings

UNKNOWN = ["evil.example", "evil.example:3001", "localhost.evil.example", "localhost..", "xlocalhost", "192.0.2.1",
           "127.0.0.2", "0.0.0.0", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "[::2]", "[fe80::1]"]  # fmt: skip
LOCAL = [
    "localhost",
    "LocalHost:8080",
    "localhost.",
    "127.0.0.1:1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]:9",
    "[::ffff:127.0.0.1]",
]
PATHS = ["/", "/static/app.js", "/openapi.json", "/healthz", "/readyz", "/files/x?signature=y", "/nowhere",
         "/api/jobs/6f0c1a52-7b0e-4b55-9d1f-0a4c1d2e3f40"]  # fmt: skip


@pytest.mark.parametrize("host", UNKNOWN)
def test_a_host_that_is_not_known(api: httpx2.Client, backstage: Backstage, host: str) -> None:
    answer = api.post("/api/download", json={"url": VIDEO}, headers={"Host": host})

    assert "VIDFERRY_ALLOWED_HOSTS" in problem(answer, 421, "unknown_host")["detail"]
    assert backstage.size() == 0


@pytest.mark.parametrize("path", PATHS)
def test_no_path_answers_to_it(api: httpx2.Client, path: str) -> None:
    problem(api.get(path, headers={"Host": "evil.example"}), 421, "unknown_host")


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_known(api: httpx2.Client, host: str) -> None:
    assert post(api, headers={"Host": host})


@pytest.mark.parametrize("known", [{"allowed_hosts": "evil.example"}, {"allowed_hosts": "*"},
                                   {"allowed_hosts": "a.example, EVIL.example."},
                                   {"public_url": "https://evil.example/videos"}])  # fmt: skip
def test_a_setting_makes_it_known(open_app: OpenApp, known: dict[str, str]) -> None:
    assert post(open_app(**known), headers={"Host": "evil.example:3001"})


@pytest.mark.parametrize(("allowed", "host"), [("10.0.0.0/8", "10.1.2.3:3001"), ("192.0.2.1", "192.0.2.1"),
                                               ("fd00::/8,a.example", "[fd12::1]:1"), ("[fd00::1]", "[fd00:0::1]"),
                                               ("bücher.example", "xn--bcher-kva.example")])  # fmt: skip
def test_addresses_ranges_and_other_scripts(open_app: OpenApp, allowed: str, host: str) -> None:
    assert post(open_app(allowed_hosts=allowed), headers={"Host": host})
    problem(open_app(allowed_hosts="10.0.0.0/30").get("/healthz", headers={"Host": host}), 421, "unknown_host")


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


@pytest.mark.parametrize("host", ["evil.example", "localhost:3001"])
def test_a_page_can_not_pass_itself_off_as_a_proxy(api: httpx2.Client, host: str) -> None:
    """Requests to its own origin may have any header, and come from an address that is trusted by default."""
    told = {"Host": host, "X-Forwarded-Host": "localhost" if host == "evil.example" else "evil.example"}

    problem(api.get("/healthz", headers=told), 421, "unknown_host")


def test_a_proxy_that_is_not_trusted_is_not_asked(open_app: OpenApp) -> None:
    job = post(open_app(), headers={"X-Forwarded-Host": "evil.example"})

    assert job["status_url"].startswith("http://testserver/")


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


@pytest.mark.parametrize(
    "wrong", ["https://a.example", "a.example:3001", "a.example/b", "10.0.0.1/8", "a b", "[::1]:1"]
)
def test_hosts_that_can_not_be_meant(wrong: str) -> None:
    with pytest.raises(ValidationError, match="is not a host"):
        ApiSettings.model_validate({"bucket": "gs://b", "allowed_hosts": wrong})
