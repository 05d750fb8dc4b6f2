"""Access is checked before a body is read."""

import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.access import KeysFile, bearer
from support.answers import VIDEO, problem
from support.redis_server import RedisServer
from unit.api.conftest import OpenApp, StartApi

BROKEN = b'{"url": '
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def keys_file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.toml")


def taking_bodies(client: TestClient) -> list[tuple[str, str]]:
    """Method and path of each operation that takes a body."""
    document: dict[str, Any] = client.get("/openapi.json").json()
    found = [
        (method, path.replace("{", "").replace("}", ""))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    ]
    assert {path for _, path in found} >= {"/api/download", "/api/batches", "/api/objects/object_id"}
    return found


def test_without_a_key_no_body_is_parsed(open_app: OpenApp, keys_file: KeysFile) -> None:
    client = open_app(**keys_file.settings())
    for method, path in taking_bodies(client):
        for body in (BROKEN, b"", b'{"unknown": 1}', b"[" * 10_000):
            answer = client.request(method, path, content=body, headers=JSON)
            problem(answer, 401, "unauthenticated")
        wrong = bearer("vf_" + "x" * 43)
        problem(client.request(method, path, content=BROKEN, headers=JSON | wrong), 401, "unauthenticated")


def test_without_the_scope_neither(open_app: OpenApp, keys_file: KeysFile) -> None:
    reader = bearer(keys_file.add("reader", scopes=("jobs:read",)))
    client = open_app(**keys_file.settings())
    for method, path in taking_bodies(client):
        problem(client.request(method, path, content=BROKEN, headers=JSON | reader), 403, "forbidden")


def test_a_request_counts_once_also_where_its_body_is_broken(open_app: OpenApp, keys_file: KeysFile) -> None:
    slow = bearer(keys_file.add("slow", more="[keys.limits]\nrequests_per_minute = 2"))
    other = bearer(keys_file.add("other"))
    client = open_app(**keys_file.settings())

    assert client.post("/api/download", json={"url": VIDEO}, headers=slow).status_code == 202
    problem(client.post("/api/download", content=BROKEN, headers=JSON | slow), 400, "invalid_json")
    problem(client.post("/api/download", content=BROKEN, headers=JSON | slow), 429, "rate_limit")
    problem(client.post("/api/download", content=BROKEN, headers=JSON | other), 400, "invalid_json")


def test_without_a_key_no_body_is_waited_for(
    start_api: StartApi, shared_redis: RedisServer, shared_bucket: Path, keys_file: KeysFile
) -> None:
    api = start_api(shared_redis.url, shared_bucket, **keys_file.settings())
    with socket.create_connection(("127.0.0.1", httpx2.URL(api.url).port or 0), timeout=20) as client:
        client.sendall(b"POST /api/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{")
        assert client.recv(100).startswith(b"HTTP/1.1 401 ")
