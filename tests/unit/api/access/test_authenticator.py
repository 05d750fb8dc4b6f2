"""Who is let in with a key, and that all that is wrong looks the same from outside."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from support.access import KeysFile, bearer
from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp, StartApi

UNKNOWN_JOB = "/api/jobs/00000000-0000-4000-8000-000000000000"
HEADER = "X-Auth-Request-User"


@pytest.fixture
def file(tmp_path: Path) -> KeysFile:
    return KeysFile(tmp_path / "keys.toml")


@pytest.fixture
def client(file: KeysFile, open_app: OpenApp) -> TestClient:
    file.add("ci", "team-a")
    return open_app(**file.settings())


def _problem(answer: httpx2.Response) -> dict[str, object]:
    assert answer.headers["www-authenticate"].startswith('Bearer realm="vidferry"')
    return problem(answer, 401, "unauthenticated")


def test_a_key_sees_its_owners_jobs_and_no_others(file: KeysFile, open_app: OpenApp) -> None:
    mine, colleague, other = file.add("a", "team-a"), file.add("a2", "team-a"), file.add("b", "team-b")
    admin = file.add("root", "operator", ["admin"])
    client = open_app(**file.settings())
    job = post(client, headers=bearer(mine))["status_url"]

    unknown = client.get(UNKNOWN_JOB, headers=bearer(other))
    for method, path in (("GET", job), ("DELETE", job), ("POST", f"{job}/retry"), ("GET", f"{job}/file")):
        answer = client.request(method, path, headers=bearer(other))
        assert (answer.status_code, answer.json()) == (404, unknown.json()), method
    for key in (mine, colleague, admin):
        assert client.get(job, headers=bearer(key)).status_code == 200
    assert client.delete(job, headers=bearer(colleague)).status_code == 200


def test_a_scope_that_is_missing_is_named(file: KeysFile, open_app: OpenApp) -> None:
    reader, writer = file.add("reader", "a", ["jobs:read"]), file.add("writer", "a", ["jobs:write"])
    client = open_app(**file.settings())
    job = post(client, headers=bearer(writer))["status_url"]

    for method, path, key, scope in (
        ("POST", "/api/download", reader, "jobs:write"), ("DELETE", job, reader, "jobs:write"),
        ("POST", f"{job}/retry", reader, "jobs:write"), ("GET", job, writer, "jobs:read"),
        ("GET", f"{job}/file", reader, "objects:read"), ("GET", f"{job}/thumbnail", writer, "objects:read"),
    ):  # fmt: skip
        body = {"url": VIDEO} if path == "/api/download" else None
        answer = client.request(method, path, headers=bearer(key), json=body)
        assert scope in problem(answer, 403, "forbidden")["detail"]
        assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]


def test_all_that_is_wrong_gets_one_answer(file: KeysFile, open_app: OpenApp) -> None:
    key = file.add("ci", "team-a")
    expired = file.add("old", "team-a", more="expires = 2020-01-01T00:00:00Z")
    client = open_app(**file.settings())
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert client.get(UNKNOWN_JOB, headers=bearer(key)).status_code == 404

    expected = _problem(client.get(UNKNOWN_JOB))
    assert "error" not in client.get(UNKNOWN_JOB).headers["www-authenticate"]
    for wrong in (
        "", "Bearer", "Bearer ", f"Bearer {key} x", f"Bearer {key},{key}", f"Basic {key}", key, f"Bearer{key}",
        f"Bearer {key.swapcase()}", f"Bearer {key[:-1]}", f"Bearer {key}A", f"Bearer {expired}", f"Bearer {digest}",
        f"Bearer\t{key}", f"Bearer {key}=", f"Bearer {key}\xe9", "Bearer \xff\xfe", f"Bearer {'a' * 8000}",
        f"Bearer {'a' * 60_000}", f"Bearer x={key}", "Bearer ../../etc/passwd", "Bearer null", "Bearer a.b.c",
    ):  # fmt: skip
        answer = client.get(UNKNOWN_JOB, headers=[(b"authorization", wrong.encode("latin-1"))])
        assert _problem(answer) == expected, wrong
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], wrong


def test_two_headers_are_none(file: KeysFile, open_app: OpenApp) -> None:
    one, other = file.add("a"), file.add("b")
    client = open_app(**file.settings())
    for first, second in ((one, other), (one, one), ("x", one)):
        headers = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
        _problem(client.get(UNKNOWN_JOB, headers=headers))


def test_the_scheme_may_be_in_any_case(file: KeysFile, open_app: OpenApp) -> None:
    key = file.add("ci")
    client = open_app(**file.settings())
    for scheme in ("bearer", "BEARER", "Bearer "):
        answer = client.get(UNKNOWN_JOB, headers={"Authorization": f"{scheme} {key}"})
        problem(answer, 404, "job_not_found")


def test_a_key_is_no_key_in_another_place(file: KeysFile, open_app: OpenApp) -> None:
    key = file.add("ci")
    client = open_app(**file.settings())
    for path in (f"{UNKNOWN_JOB}?access_token={key}", f"{UNKNOWN_JOB}?ticket={key}", f"{UNKNOWN_JOB}?key={key}"):
        _problem(client.get(path, headers={"X-Api-Key": key, "Cookie": f"key={key}", "Proxy-Authorization": key}))


def test_what_needs_no_key(client: TestClient) -> None:
    for path in ("/", "/static/style.css", "/healthz", "/openapi.json", "/api/access"):
        assert client.get(path).status_code == 200, path
    assert client.get("/files/x").status_code == 403
    assert client.get("/ws/downloads").status_code == 426
    assert client.options("/api/download").status_code == 204


def test_a_preflight_needs_no_key_and_allows_one(file: KeysFile, open_app: OpenApp) -> None:
    client = open_app(cors_origins="https://app.example.org", **file.settings())
    asked = client.options(
        "/api/download",
        headers={
            "Origin": "https://app.example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.status_code == 200
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    refused = client.post("/api/download", headers={"Origin": "https://app.example.org"}, json={"url": VIDEO})
    assert "www-authenticate" in refused.headers["access-control-expose-headers"]


def test_open_access_asks_nobody(open_app: OpenApp) -> None:
    client = open_app()
    job = post(client, headers=bearer("anything"))["status_url"]
    assert client.get(job, headers={HEADER: "alice"}).status_code == 200


# A user whom a proxy names


def test_a_trusted_proxy_names_the_user(file: KeysFile, open_app: OpenApp) -> None:
    client = open_app(
        peer="192.0.2.7", trusted_proxies="192.0.2.7", access_user_header=HEADER, access_user_scopes="jobs:write",
        **file.settings(),
    )  # fmt: skip
    post(client, headers={HEADER: "alice@example.org"})
    post(client, headers={HEADER: "alice", "Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="})
    problem(client.get(UNKNOWN_JOB, headers={HEADER: "alice"}), 403, "forbidden")
    _problem(client.get(UNKNOWN_JOB))
    # A key decides where there is one, also a wrong one.
    _problem(client.get(UNKNOWN_JOB, headers={HEADER: "alice", **bearer("wrong")}))


@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}])
def test_whoever_is_no_trusted_proxy_gets_nothing_by_it(
    file: KeysFile, open_app: OpenApp, forwarded: dict[str, str]
) -> None:
    client = open_app(peer="192.0.2.7", trusted_proxies="192.0.2.1", access_user_header=HEADER, **file.settings())
    _problem(client.get(UNKNOWN_JOB, headers={HEADER: "alice", **forwarded}))


def test_without_the_setting_no_header_is_heeded(file: KeysFile, open_app: OpenApp) -> None:
    client = open_app(peer="192.0.2.7", trusted_proxies="192.0.2.7", **file.settings())
    _problem(client.get(UNKNOWN_JOB, headers={HEADER: "alice"}))


def test_a_name_that_a_client_could_have_added_to_is_refused(file: KeysFile, open_app: OpenApp) -> None:
    client = open_app(peer="192.0.2.7", trusted_proxies="192.0.2.7", access_user_header=HEADER, **file.settings())
    for named in (["bob", "alice"], ["alice", "alice"], ["bob, alice"], [""], ["a b"], ["é"], ["a" * 65], ["a\tb"]):
        headers = [(HEADER.encode(), name.encode("latin-1")) for name in named]
        _problem(client.get(UNKNOWN_JOB, headers=headers))


def test_a_page_of_another_site_sends_nothing_in_the_users_name(file: KeysFile, open_app: OpenApp) -> None:
    client = open_app(peer="192.0.2.7", trusted_proxies="192.0.2.7", access_user_header=HEADER, **file.settings())
    job = post(client, headers={HEADER: "alice", "Sec-Fetch-Site": "same-origin"})["status_url"]
    for site in ("cross-site", "same-site"):
        headers = {HEADER: "alice", "Sec-Fetch-Site": site}
        _problem(client.post(f"{job}/retry", headers=headers))
        assert client.get(job, headers=headers).status_code == 200


# What the operator sees


def test_the_log_tells_who_and_why_and_never_the_key(
    file: KeysFile, start_api: StartApi, backstage: Backstage, tmp_path: Path
) -> None:
    key, expired = file.add("ci", "team-a", ["jobs:read"]), file.add("old", more="expires = 2020-01-01T00:00:00Z")
    api = start_api(backstage.server.url, tmp_path, admin_port="", **file.settings())
    with httpx2.Client(base_url=api.url) as client:
        client.get(UNKNOWN_JOB, headers=bearer(key))
        client.delete(UNKNOWN_JOB, headers=bearer(key))
        client.get(UNKNOWN_JOB, headers=bearer(expired))
        client.get(UNKNOWN_JOB)
        api.wait_for("request", principal="ci", owner="team-a", status=404)
        api.wait_for("request", principal="ci", owner="team-a", status=403, refused="scope")
        api.wait_for("request", status=401, refused="expired")
        api.wait_for("request", status=401, refused="missing")

        # A key that is added works without a restart; one that is taken out ends.
        file.path.write_text("")
        new = file.add("new")
        api.wait_until(lambda: client.get(UNKNOWN_JOB, headers=bearer(new)).status_code == 404)
        _problem(client.get(UNKNOWN_JOB, headers=bearer(key)))
    for secret in (key, expired, new, hashlib.sha256(key.encode()).hexdigest()):
        assert secret not in api.log
