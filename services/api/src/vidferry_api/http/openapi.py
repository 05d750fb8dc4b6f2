"""Completes the OpenAPI document that FastAPI generates: what every operation shares stands here, once."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from vidferry_api.http.problems import ProblemDocument, problem_responses
from vidferry_common.contract.errors import ProblemCode

TAGS = [
    {"name": "downloads", "description": "Create jobs: ask for videos."},
    {"name": "probes", "description": "Look at a URL before anything is fetched."},
    {"name": "batches", "description": "Create batches: ask for many videos at once, or for a playlist."},
    {"name": "jobs", "description": "Read, cancel and retry jobs, and get their files."},
    {"name": "objects", "description": "List, keep and delete stored videos, and get their files."},
    {"name": "webhooks", "description": "What became of the events of a job."},
    {"name": "messages", "description": "The messages of a job, on WebSockets and event streams."},
    {"name": "access", "description": "What the api asks a client for."},
    {"name": "tickets", "description": "What lets a page watch jobs without a key."},
    {"name": "versions", "description": "What runs."},
    {"name": "health", "description": "Probes for load balancers and orchestrators."},
]
DESCRIPTION = (
    "Vidferry downloads videos, stores them in your bucket and reports each step live. Paths below `/api` are version "
    "1 of the API, which only grows: ignore fields and enum values that you don't know. `docs/api.md` in Vidferry's "
    "repository is the policy."
)
EVERYWHERE = (
    ProblemCode.MALFORMED_REQUEST,
    ProblemCode.INVALID_HOST,
    ProblemCode.REQUEST_TIMEOUT,
    ProblemCode.BODY_TOO_LARGE,
    ProblemCode.UNKNOWN_HOST,
    ProblemCode.HEAD_TOO_LARGE,
    ProblemCode.INTERNAL,
)
"""Every request may be refused with these: by the protocol, the middleware, or an error that nobody expected."""
_TRACEPARENT = {"type": "string", "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]}
TRACE_HEADERS = {
    "Traceresponse": {
        "description": "The W3C trace context of this request; its trace id finds the request in the logs.",
        "schema": _TRACEPARENT,
    },
    "Traceparent": {"description": "The same as `Traceresponse`.", "schema": _TRACEPARENT},
    "X-Request-Id": {
        "description": "The request's `X-Request-Id`, if it had one of up to 128 visible ASCII characters; else the id "
        "of its trace. The logs have it.",
        "schema": {"type": "string", "examples": ["4bf92f3577b34da6a3ce929d0e0e4736"]},
    },
}


def install_openapi(app: FastAPI, security_schemes: dict[str, Any]) -> None:
    """Has the app's document completed."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            _complete(generate(), security_schemes)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], security_schemes: dict[str, Any]) -> None:
    components = document["components"]
    _replace_validation_errors(document)
    components["schemas"]["Format"].pop("additionalProperties")  # of a response: a later release may add fields
    components["securitySchemes"] = security_schemes
    for item in document["paths"].values():
        for operation in item.values():
            add_problems(operation, EVERYWHERE)
            _tidy_parameters(operation)
            for response in operation["responses"].values():
                headers = {**response.get("headers", {}), **TRACE_HEADERS}
                components.setdefault("headers", {}).update(headers)
                response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
        if "get" in item:
            item["head"] = _head_of(item["get"])
    _drop_titles(components["schemas"])
    _name_numbers(components["schemas"].values())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def add_problems(operation: dict[str, Any], codes: Iterable[ProblemCode]) -> None:
    """Adds refusals to an operation's responses, beside those that it has of the same status."""
    for status, response in problem_responses(*codes).items():
        known = operation["responses"].setdefault(str(status), response)
        texts = [each for each in response["description"].split("; ") if each not in known["description"]]
        if known is not response:
            known["description"] = "; ".join([known["description"], *texts])
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _replace_validation_errors(document: dict[str, Any]) -> None:
    """Puts problem documents in place of FastAPI's own 422, which is never sent."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    described = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(described.pop("$defs", {}))
    schemas["ProblemDocument"] = described
    for _, _, operation in operations(document):
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            del operation["responses"]["422"]  # FastAPI adds it for the job id in the path; a malformed id is a 404


def _tidy_parameters(operation: dict[str, Any]) -> None:
    """A parameter that may be left out is no null: a header or a query can't carry one."""
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        choices = [each for each in schema.pop("anyOf", []) if each != {"type": "null"}]
        if len(choices) > 1:
            schema["anyOf"] = choices
        for choice in choices if len(choices) == 1 else []:
            schema.update(choice)
        schema.pop("title", None)
        schema.pop("description", None)  # the parameter has it
        if schema.get("default", "") is None:
            del schema["default"]


def _drop_titles(node: Any) -> None:
    """Drops the titles that pydantic makes of names: generators would name their types by them."""
    if isinstance(node, list):
        for each in node:
            _drop_titles(each)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for name, each in node.items():
            if name != "examples":
                _drop_titles(each)


def _name_numbers(schemas: Iterable[dict[str, Any]]) -> None:
    """Names the members of enums that have numbers among their values: generators would count them."""
    for schema in schemas:
        values = schema.get("enum", [])
        if any(str(value).isdecimal() for value in values):
            schema["x-enum-varnames"] = [f"P{value}" if value.isdecimal() else value.upper() for value in values]


def _head_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The HEAD operation beside a GET: the same answers without a body."""
    head = deepcopy(operation)
    name = head["operationId"]
    head["operationId"] = f"head{name.removeprefix('get')[:1].upper()}{name.removeprefix('get')[1:]}"
    head["summary"] = f"{head['summary']} (headers alone)"
    head["description"] = "Answers as GET does, without a body."
    for response in head["responses"].values():
        response.pop("content", None)
        response.pop("links", None)
    return head
