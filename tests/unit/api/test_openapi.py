"""The OpenAPI document tells all that the api does."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from unit.api.conftest import OpenApp
from vidferry_api.jobs.schemas import DownloadRequest, Job, JobWithHistory
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.formats import Container, Quality
from vidferry_common.contract.stages import Status

PROBLEM = "application/problem+json"
EVERYWHERE = {"400", "408", "413", "421", "431", "500"}


@pytest.fixture
def document(api: httpx2.Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_operations_have_stable_names(document: dict[str, Any]) -> None:
    assert {operation["operationId"]: f"{method} {path}" for path, method, operation in _operations(document)} == {
        "createBatch": "post /api/batches",
        "createDownload": "post /api/download",
        "createProbe": "post /api/probes",
        "listJobs": "get /api/jobs",
        "headListJobs": "head /api/jobs",
        "cancelJobs": "post /api/jobs:cancel",
        "retryJobs": "post /api/jobs:retry",
        "cancelJob": "delete /api/jobs/{job_id}",
        "retryJob": "post /api/jobs/{job_id}/retry",
        "getAccess": "get /api/access",
        "headAccess": "head /api/access",
        "getVersion": "get /api/version",
        "headVersion": "head /api/version",
        "getJob": "get /api/jobs/{job_id}",
        "headJob": "head /api/jobs/{job_id}",
        "getJobFile": "get /api/jobs/{job_id}/file",
        "headJobFile": "head /api/jobs/{job_id}/file",
        "getJobThumbnail": "get /api/jobs/{job_id}/thumbnail",
        "headJobThumbnail": "head /api/jobs/{job_id}/thumbnail",
        "listObjects": "get /api/objects",
        "headListObjects": "head /api/objects",
        "getObject": "get /api/objects/{object_id}",
        "headObject": "head /api/objects/{object_id}",
        "changeObject": "patch /api/objects/{object_id}",
        "deleteObject": "delete /api/objects/{object_id}",
        "getObjectFile": "get /api/objects/{object_id}/file",
        "headObjectFile": "head /api/objects/{object_id}/file",
        "getObjectThumbnail": "get /api/objects/{object_id}/thumbnail",
        "headObjectThumbnail": "head /api/objects/{object_id}/thumbnail",
        "listDeliveries": "get /api/jobs/{job_id}/deliveries",
        "headListDeliveries": "head /api/jobs/{job_id}/deliveries",
        "resendEvent": "post /api/jobs/{job_id}/deliveries/{event_id}/resend",
        "getMessagesSchema": "get /api/schema/messages.json",
        "headMessagesSchema": "head /api/schema/messages.json",
        "createTicket": "post /api/tickets",
        "healthz": "get /healthz",
        "headHealthz": "head /healthz",
        "readyz": "get /readyz",
        "headReadyz": "head /readyz",
    }
    assert all(operation["summary"] and operation["description"] for _, _, operation in _operations(document))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_refusal_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in _operations(document):
        for status, response in operation["responses"].items():
            if status >= "4":
                assert list(response.get("content", ())) == ([] if method == "head" else [PROBLEM]), path
                assert re.search(r"`[a-z_]+`: ", response["description"]), path
                assert ("Retry-After" in response.get("headers", {})) == (status in {"429", "503"}), path
    assert "HTTPValidationError" not in document["components"]["schemas"]
    known = document["components"]["schemas"]["ProblemCode"]["enum"]
    assert set(known) == set(ProblemCode)


def test_what_a_download_may_be_refused_for(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/download"]["post"]

    assert set(operation["responses"]) == EVERYWHERE | {"401", "403", "202", "404", "415", "422", "429", "503"}
    assert set(operation["responses"]["202"]["headers"]) == {
        "Location", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Traceresponse", "Traceparent",
        "X-Request-Id",
    }  # fmt: skip
    assert {item["name"].lower() for item in operation["parameters"]} == {"idempotency-key", "traceparent"}


def test_trying_again_is_answered_as_a_download_is(document: dict[str, Any]) -> None:
    download, retry = document["paths"]["/api/download"]["post"], document["paths"]["/api/jobs/{job_id}/retry"]["post"]

    assert retry["responses"]["202"] == download["responses"]["202"]
    assert set(retry["responses"]) == EVERYWHERE | {"401", "403", "202", "404", "409", "422", "429", "503"}
    for code in ("job_not_ended", "job_completed"):
        assert f"`{code}`" in retry["responses"]["409"]["description"]
    assert {item["name"].lower() for item in retry["parameters"]} == {"idempotency-key", "traceparent", "job_id"}
    assert "requestBody" not in retry


def test_cancelling_is_answered_as_the_job_is(document: dict[str, Any]) -> None:
    job = document["paths"]["/api/jobs/{job_id}"]

    [one, other] = [job[method]["responses"]["200"]["content"]["application/json"] for method in ("delete", "get")]
    assert (one["schema"]["$ref"][-4:], other["schema"]["$ref"][-15:]) == ("/Job", "/JobWithHistory")
    assert set(job["delete"]["responses"]) == EVERYWHERE | {"401", "403", "200", "404", "409", "429", "503"}
    for status, code in (("409", "job_ended"), ("503", "job_busy")):
        assert f"`{code}`" in job["delete"]["responses"][status]["description"]


def test_each_job_that_is_accepted_is_described(document: dict[str, Any]) -> None:
    """With its fields, also where it is not the operation's first answer."""
    for path, _, operation in _operations(document):
        if accepted := operation["responses"].get("202"):
            assert accepted["content"]["application/json"]["schema"]["$ref"], path


def test_the_choices_of_a_download_have_their_defaults(document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]["DownloadRequest"]["properties"]

    assert described["priority"]["default"] == "interactive"
    assert described["force"]["default"] is False
    assert document["components"]["schemas"]["Priority"]["enum"] == ["interactive", "bulk"]


def test_each_meaning_of_the_format_is_there(document: dict[str, Any]) -> None:
    described = document["components"]["schemas"]["Format"]["properties"]

    text = described["quality"]["description"] + described["container"]["description"]
    for value in (Quality.BEST, Quality.P2160, Quality.P360, Quality.AUDIO, *Container):
        assert f"`{value}`" in text
    assert "format_unavailable" in text


def test_fields_tell_their_formats(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    told = {
        f"{name}.{field}": (described if "format" in described else described.get("anyOf", [{}])[0]).get("format")
        for name in ("Job", "Result")
        for field, described in schemas[name]["properties"].items()
    }

    assert {field.partition(".")[2] for field, form in told.items() if form == "date-time"} == {
        "created_at", "timestamp", "retry_at", "expires_at",
    }  # fmt: skip
    assert {field for field, form in told.items() if form == "int64"} == {
        "Job.seq", "Job.downloaded_bytes", "Job.total_bytes", "Result.size",
    }  # fmt: skip
    assert {told[f"Job.{field}"] for field in ("status_url", "ws_url", "events_url")} == {"uri"}
    assert told["Job.job_id"] == told["Job.retry_of"] == "uuid"


def test_the_pattern_of_a_key_is_the_one_that_is_checked(document: dict[str, Any]) -> None:
    for path in ("/api/download", "/api/jobs/{job_id}/retry"):
        parameters = document["paths"][path]["post"]["parameters"]
        [key] = [item for item in parameters if item["name"].lower() == "idempotency-key"]
        pattern = re.compile(key["schema"]["pattern"])
        assert pattern.search("a-key")
        assert not any(pattern.search(wrong) for wrong in ("", "x" * 256, "two words", "schlüssel"))


def test_what_every_path_may_be_refused_for(document: dict[str, Any]) -> None:
    for path, _, operation in _operations(document):
        assert "`invalid_host`" in operation["responses"]["400"]["description"], path


def test_a_job_may_be_asked_for_again(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/jobs/{job_id}"]["get"]

    assert "ETag" in operation["responses"]["200"]["headers"]
    assert "304" in operation["responses"]
    assert "If-None-Match" in {item["name"] for item in operation["parameters"]}


def test_the_answers_are_as_described(api: httpx2.Client) -> None:
    """Validated by the very models that the document is written from."""
    answer = api.post("/api/download", json={"url": "https://example.org/"})
    accepted = Job.model_validate(answer.json(), strict=False)
    job = JobWithHistory.model_validate(api.get(accepted.status_url).json())

    assert job.job_id == accepted.job_id
    assert Job.model_validate(api.delete(accepted.status_url).json()).status is Status.CANCELLED
    assert set(answer.json()) == set(Job.model_fields) - {"result", "error", "pause_code"}


def test_the_example_is_accepted(document: dict[str, Any]) -> None:
    examples = document["components"]["schemas"]["DownloadRequest"]["properties"]["url"]["examples"]

    assert [DownloadRequest(url=example).url for example in examples] == examples


def test_the_servers_address_is_the_public_one(open_app: OpenApp) -> None:
    document = open_app(public_url="https://media.example.org/videos").get("/openapi.json").json()

    assert [server["url"] for server in document["servers"]] == ["https://media.example.org/videos"]


def test_without_a_public_url_the_server_is_where_the_document_is(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["."]


def _parameters_and_fields(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, method, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            yield f"{method} {path} {parameter['name']}", parameter
    for name, schema in document["components"]["schemas"].items():
        yield name, schema
        for field, described in schema.get("properties", {}).items():
            yield f"{name}.{field}", described
    for name, header in document["components"]["headers"].items():
        yield name, header


def test_everything_is_described(document: dict[str, Any]) -> None:
    """Fields, types, parameters and headers; an enum's type and a field of that type each say their own."""
    assert [name for name, described in _parameters_and_fields(document) if not described.get("description")] == []


def test_a_default_is_a_value_that_is_valid(document: dict[str, Any]) -> None:
    """Of its format too: generators of clients read it."""
    for name, described in _parameters_and_fields(document):
        schema = described.get("schema", described)
        if schema.get("default") is not None:
            whole = {**schema, "components": document["components"]}
            found = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(schema["default"])
            assert list(found) == [], name


def test_no_parameter_is_null(document: dict[str, Any]) -> None:
    for path, _, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            assert "null" not in str(parameter["schema"]), (path, parameter)


def test_what_a_request_may_leave_out_may_be_null(document: dict[str, Any], api: httpx2.Client) -> None:
    schemas = document["components"]["schemas"]
    fields = schemas["DownloadRequest"]["properties"]
    for field in (fields["format"], fields["priority"], fields["force"]):
        assert {"type": "null"} in field["anyOf"]
    for field in schemas["RequestedFormat"]["properties"].values():
        assert {"type": "null"} in field["anyOf"]
    assert "anyOf" not in schemas["Format"]["properties"]["quality"], "a response has no null there"
    body = {"url": "https://example.org/", "format": {"quality": None, "container": None}, "priority": None}
    assert api.post("/api/download", json={**body, "force": None}).status_code == 202


def test_a_response_may_get_more_fields(document: dict[str, Any]) -> None:
    closed = [name for name, schema in document["components"]["schemas"].items() if "additionalProperties" in schema]

    assert closed == [
        "BatchRequest",
        "BulkRequest",
        "DownloadRequest",
        "JobFilterFields",
        "ObjectChanges",
        "ProbeRequest",
        "RequestedFormat",
        "WebhookRequest",
    ], "what is sent"


def test_each_tag_is_described(document: dict[str, Any]) -> None:
    told = {tag["name"] for tag in document["tags"] if tag["description"]}

    assert {tag for _, _, operation in _operations(document) for tag in operation["tags"]} == told
