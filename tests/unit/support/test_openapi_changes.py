"""Each rule of the comparison of two OpenAPI documents, by one change."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from support.openapi_changes import Comparison

Document = dict[str, Any]

OLD: Document = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "makeThing",
                "parameters": [{"name": "Key", "in": "header", "schema": {"type": "string"}}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Request"}}},
                },
                "responses": {
                    "202": {
                        "headers": {"Location": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "404": {},
                },
            },
            "get": {"operationId": "getThings", "responses": {"200": {"content": {"image/*": {"schema": {}}}}}},
        }
    },
    "components": {
        "schemas": {
            "Request": {
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": {"type": "string", "maxLength": 100},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
            },
            "Thing": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "inner": {"type": "object", "properties": {"deep": {"type": "integer"}}},
                },
            },
        }
    },
}


def _post(document: Document) -> Any:
    return document["paths"]["/things"]["post"]


def _sent(document: Document) -> Any:
    return document["components"]["schemas"]["Request"]


def _received(document: Document) -> Any:
    return document["components"]["schemas"]["Thing"]


def _set(node: Any, name: str, value: Any) -> None:
    node[name] = value


REQUIRED = {"name": "new", "in": "query", "required": True, "schema": {"type": "string"}}
BREAKING: dict[str, Callable[[Document], object]] = {
    "POST /things: removed": lambda new: new["paths"]["/things"].pop("post"),
    "GET /things: removed": lambda new: new["paths"]["/things"].pop("get"),
    "POST /things: operationId changed": lambda new: _set(_post(new), "operationId", "createThing"),
    "POST /things: asks for a key": lambda new: _set(_post(new), "security", [{"bearer": []}]),
    "POST /things: answer 202 removed": lambda new: _post(new)["responses"].pop("202"),
    "POST /things Key: parameter removed": lambda new: _post(new).pop("parameters"),
    "POST /things Key: is required now": lambda new: _set(_post(new)["parameters"][0], "required", True),
    "POST /things Key: pattern is x": lambda new: _set(_post(new)["parameters"][0]["schema"], "pattern", "x"),
    "POST /things new: new required parameter": lambda new: _post(new)["parameters"].append(REQUIRED),
    "POST /things application/json: no body of this type any more": lambda new: _post(new).pop("requestBody"),
    "GET /things: asks for a body": lambda new: _set(
        new["paths"]["/things"]["get"], "requestBody", _post(new)["requestBody"]
    ),
    "POST /things body.note: removed": lambda new: _sent(new)["properties"].pop("note"),
    "POST /things body.kind: is required now": lambda new: _sent(new)["required"].append("kind"),
    "POST /things body.kind: b is refused": lambda new: _sent(new)["properties"]["kind"]["enum"].remove("b"),
    "POST /things body.url: any other value is refused": lambda new: _set(
        _sent(new)["properties"]["url"], "enum", ["x"]
    ),
    "POST /things body.url: no string any more": lambda new: _set(_sent(new)["properties"]["url"], "type", "integer"),
    "POST /things body.note: no null any more": lambda new: _sent(new)["properties"]["note"]["anyOf"].pop(),
    "POST /things body.url: maxLength is 50": lambda new: _set(_sent(new)["properties"]["url"], "maxLength", 50),
    "POST /things body.url: minLength is 1": lambda new: _set(_sent(new)["properties"]["url"], "minLength", 1),
    "POST /things body.url: format is uri": lambda new: _set(_sent(new)["properties"]["url"], "format", "uri"),
    "POST /things body: no further fields": lambda new: _set(_sent(new), "additionalProperties", False),
    "POST /things 202: header Location removed": lambda new: _post(new)["responses"]["202"].pop("headers"),
    "POST /things 202: no answer of type application/json any more": lambda new: _post(new)["responses"]["202"].pop(
        "content"
    ),
    "POST /things 202.kind: removed": lambda new: _received(new)["properties"].pop("kind"),
    "POST /things 202.inner.deep: removed": lambda new: _received(new)["properties"]["inner"]["properties"].pop("deep"),
    "POST /things 202.id: may be missing": lambda new: _received(new)["required"].remove("id"),
    "POST /things 202.id: may be null": lambda new: _set(
        _received(new)["properties"]["id"], "type", ["string", "null"]
    ),
    "POST /things 202.id: may be anything": lambda new: _received(new)["properties"]["id"].pop("type"),
    "POST /things 202.id: format changed": lambda new: _received(new)["properties"]["id"].pop("format"),
    "POST /things 202.kind: is no enum any more": lambda new: _received(new)["properties"]["kind"].pop("enum"),
}


@pytest.mark.parametrize("told", BREAKING)
def test_a_breaking_change(told: str) -> None:
    new = deepcopy(OLD)
    BREAKING[told](new)

    assert Comparison(OLD, new).breaking_changes() == [told]


COMPATIBLE: dict[str, Callable[[Document], object]] = {
    "nothing": lambda new: new,
    "another path": lambda new: _set(new["paths"], "/more", {"get": {"responses": {}}}),
    "an optional parameter": lambda new: _post(new)["parameters"].append({**REQUIRED, "required": False}),
    "a header's other spelling": lambda new: _set(_post(new)["parameters"][0], "name", "KEY"),
    "an optional field": lambda new: _set(_sent(new)["properties"], "more", {"type": "string"}),
    "a field less required": lambda new: _sent(new)["required"].clear(),
    "a value more accepted": lambda new: _sent(new)["properties"]["kind"]["enum"].append("c"),
    "null accepted": lambda new: _set(_sent(new)["properties"]["url"], "type", ["string", "null"]),
    "a looser bound": lambda new: _set(_sent(new)["properties"]["url"], "maxLength", 200),
    "a field more received": lambda new: _set(_received(new)["properties"], "more", {"type": "string"}),
    "a value more received": lambda new: _received(new)["properties"]["kind"]["enum"].append("c"),
    "a field always there": lambda new: _received(new)["required"].append("kind"),
    "an error less": lambda new: _post(new)["responses"].pop("404"),
    "a kind of image": lambda new: _set(
        new["paths"]["/things"]["get"]["responses"]["200"], "content", {"image/png": {"schema": {}}}
    ),
}


@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_compatible_change(change: str) -> None:
    new = deepcopy(OLD)
    COMPATIBLE[change](new)

    assert Comparison(OLD, new).breaking_changes() == []
