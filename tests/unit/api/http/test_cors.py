"""A front end on another origin."""

import pytest

from support.answers import VIDEO, post, problem
from unit.api.conftest import OpenApp

APP = "https://app.example.org"
EXPOSED = {"location", "retry-after", "idempotency-replayed", "traceresponse", "traceparent", "x-request-id"}


def _preflight(origin: str, method: str = "POST", headers: str = "content-type") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.mark.parametrize("told", [APP, f"https://other.example.org, {APP}/", "*"])
def test_a_page_of_an_allowed_origin(open_app: OpenApp, told: str) -> None:
    client = open_app(cors_origins=told)
    asked = client.options("/api/download", headers=_preflight(APP, headers="Content-Type,Idempotency-Key,traceparent"))
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] in {APP, "*"}
    assert "POST" in asked.headers["access-control-allow-methods"]

    answer = client.post("/api/download", json={"url": VIDEO}, headers={"Origin": APP})
    assert answer.status_code == 202
    assert answer.headers["access-control-allow-origin"] in {APP, "*"}
    assert set(answer.headers["access-control-expose-headers"].split(", ")) >= EXPOSED
    assert "access-control-allow-credentials" not in answer.headers


def test_it_may_cancel_and_try_again(open_app: OpenApp) -> None:
    client = open_app(cors_origins=APP)
    job = post(client, headers={"Origin": APP})["status_url"]
    asked = client.options("/api/objects/x", headers=_preflight(APP, "PATCH", "if-match, content-type"))
    assert (asked.status_code, "PATCH" in asked.headers["access-control-allow-methods"]) == (200, True)
    for method, path, headers in (("DELETE", job, "traceparent"), ("POST", f"{job}/retry", "idempotency-key")):
        asked = client.options(path, headers=_preflight(APP, method, headers))
        assert asked.status_code == 200
        assert method in asked.headers["access-control-allow-methods"].split(", ")
        answer = client.request(method, path, headers={"Origin": APP})
        assert answer.is_success
        assert answer.headers["access-control-allow-origin"] == APP


def test_it_can_read_why_it_is_refused(open_app: OpenApp) -> None:
    client = open_app(cors_origins=APP)
    origin = {"Origin": APP}
    answers = [
        client.post("/api/download", json={}, headers=origin),
        client.post("/api/download", content=b"x" * 70_000, headers=origin),
        client.get("/nowhere", headers=origin),
        client.put("/api/download", headers=origin),
        client.get("/files/x", headers=origin),
        client.post("/api/download", json={"url": VIDEO}, headers={**origin, "Host": "/"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 413, 404, 405, 403, 400]
    for answer in answers:
        problem(answer, answer.status_code, answer.json()["code"])
        assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize(
    "asked",
    [_preflight("https://evil.example"), _preflight("null"), _preflight(APP, method="PUT"),
     _preflight(APP, headers="x-secret")],
)  # fmt: skip
def test_what_is_not_allowed_is_a_problem_like_any_other(open_app: OpenApp, asked: dict[str, str]) -> None:
    answer = open_app(cors_origins=APP).options("/api/download", headers=asked)

    problem(answer, 403, "cors_refused")
    assert "access-control-allow-origin" not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_other_pages_can_not_read_the_answer(open_app: OpenApp) -> None:
    for told in (APP, ""):
        answer = open_app(cors_origins=told).get("/healthz", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_without_origins_no_page_elsewhere_is_let_in(open_app: OpenApp) -> None:
    problem(open_app().options("/api/download", headers=_preflight(APP)), 405, "method_not_allowed")
