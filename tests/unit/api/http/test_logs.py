"""What the api's log tells, and what it never tells."""

from uuid import uuid4

import httpx2

from support.answers import post
from support.backstage import Backstage
from support.services import Api


def test_a_line_for_each_request(api: httpx2.Client, shared_api: Api) -> None:
    trace = uuid4().hex
    answer = api.post("/api/nothing", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    job = post(api, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    api.get(job["status_url"], headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})

    lines = shared_api.wait_for("request", 3, trace_id=trace)
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "", 404),
        ("POST", "/api/download", 202),
        ("GET", "/api/jobs/{job_id}", 200),
    ]
    assert all(line["ms"] >= 0 and line["service"] == "api" and line["level"] == "info" for line in lines)
    [accepted] = shared_api.wait_for("job accepted", job_id=job["job_id"])
    assert accepted["trace_id"] == trace
    assert answer.headers["traceresponse"].split("-")[1] == trace


def test_a_signed_link_is_never_told(api: httpx2.Client, shared_api: Api, backstage: Backstage) -> None:
    link = backstage.sign(backstage.put(f"videos/log/{uuid4()}", b"0123456789")).url
    api.get(link)
    refused = api.get(link.replace("signature=v1.", "signature=v1.X"))

    trace = refused.headers["traceresponse"].split("-")[1]
    [line] = shared_api.wait_for("request", trace_id=trace)
    assert (line["route"], line["status"]) == ("/files/{name:path}", 403)
    assert link.partition("signature=")[2] not in shared_api.log
    assert "signature=" not in shared_api.log


def test_an_address_is_not_told_either(api: httpx2.Client, shared_api: Api) -> None:
    job = post(api, "https://example.org/?secret=s3cr3tword")

    shared_api.wait_for("job accepted", job_id=job["job_id"])

    assert "s3cr3tword" not in shared_api.log


def test_probes_are_quiet(api: httpx2.Client, shared_api: Api) -> None:
    api.get("/healthz")
    job = post(api)
    shared_api.wait_for("job accepted", job_id=job["job_id"])  # later than the probe's line would be

    assert shared_api.logged(route="/healthz") == []
    assert all(line.startswith("{") for line in shared_api.log.splitlines())
