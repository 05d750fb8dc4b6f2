"""External ids and metadata: what is kept as it was sent, and what is refused."""

import json
from typing import Any

import httpx2
import pytest

from support.answers import VIDEO, accepted, problem, shown


@pytest.mark.parametrize("given", ["x", "x" * 255, "Ä 7/…", '"quoted\\"', "日本"])
def test_an_external_id_comes_back_and_finds_its_job(api: httpx2.Client, given: str) -> None:
    job = accepted(api.post("/api/download", json={"url": VIDEO, "external_id": given}))

    assert job["external_id"] == shown(api, job)["external_id"] == given
    assert api.get("/api/jobs", params={"external_id": given}).json()["jobs"] == [job]


@pytest.mark.parametrize("given", ["", "x" * 256, "a\nb", "\u200b", " x", "x ", "\x01", 7, "\ud800", "a\u2028"])
def test_what_is_no_external_id(api: httpx2.Client, given: Any) -> None:
    body = f'{{"url": "{VIDEO}", "external_id": {json.dumps(given)}}}'
    answer = api.post("/api/download", content=body, headers={"Content-Type": "application/json"})

    assert problem(answer, 422, "invalid_request")["errors"][0]["field"] == "external_id"


@pytest.mark.parametrize("given", [
    {}, {"a": {"b": [None, True, 1.5, -(2**63), 2**63]}}, {"": "\x01\x02\u0000"}, {"x": "y" * 2040}, {"progress": 99},
    {'","progress":50,"attempt":7,"x':'"status":"failed"'}, {"seq": 5, "status": "completed", "expires_at": None},
])  # fmt: skip
def test_metadata_come_back_as_they_were(api: httpx2.Client, given: dict[str, Any]) -> None:
    job = accepted(api.post("/api/download", json={"url": VIDEO, "metadata": given}))

    assert job["metadata"] == shown(api, job)["metadata"] == given
    assert (job["progress"], job["attempt"], job["status"]) == (0, 0, "queued")


@pytest.mark.parametrize("given", [
    "[]", '"x"', "7", '{"x": NaN}', '{"x": 1e999}', '{"x": 99999999999999999999}', r'{"x": "\ud800"}',
    f'{{"x": "{"y" * 2041}"}}', f'{{"x": "{"ü" * 1021}"}}', f'{{"x": {"[" * 300}1{"]" * 300}}}',
])  # fmt: skip
def test_what_is_no_metadata(api: httpx2.Client, given: str) -> None:
    body = f'{{"url": "{VIDEO}", "metadata": {given}}}'
    answer = api.post("/api/download", content=body, headers={"Content-Type": "application/json"})

    assert problem(answer, 422, "invalid_request")["errors"][0]["field"] == "metadata"
