"""Compares two OpenAPI documents: what a client of the old one would find broken by the new one.

What a client sends may only be asked less of; what it receives may only be promised more of. Values may be added to an
enum of a response: docs/api.md has clients expect it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_DEPTH = 12
"""of schemas that contain themselves"""


@dataclass(frozen=True)
class Comparison:
    """An old and a new document."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]

    def breaking_changes(self) -> list[str]:
        """A line for each change that breaks a client."""
        return sorted(set(self._paths()))

    def _paths(self) -> Iterator[str]:
        for path, old_item in self.old["paths"].items():
            new_item = self.new["paths"].get(path)
            for method, old in old_item.items():
                where = f"{method.upper()} {path}"
                if new_item is None or method not in new_item:
                    yield f"{where}: removed"
                else:
                    yield from self._operation(where, old, new_item[method])

    def _operation(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: operationId changed"
        if _asks_for_key(new) and not _asks_for_key(old):
            yield f"{where}: asks for a key"
        yield from self._parameters(where, old, new)
        yield from self._request_body(where, old.get("requestBody"), new.get("requestBody"))
        for status, response in old["responses"].items():
            if status >= "4":
                continue
            if status not in new["responses"]:
                yield f"{where}: answer {status} removed"
            else:
                yield from self._response(f"{where} {status}", response, new["responses"][status])

    def _parameters(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        before, now = _parameters(old), _parameters(new)
        for key, parameter in before.items():
            name = f"{where} {parameter['name']}"
            if key not in now:
                yield f"{name}: parameter removed"
                continue
            if now[key].get("required") and not parameter.get("required"):
                yield f"{name}: is required now"
            old_schema, new_schema = (_without_null(each["schema"]) for each in (parameter, now[key]))
            yield from self._sent(name, old_schema, new_schema, _DEPTH)
        for key in now.keys() - before.keys():
            if now[key].get("required"):
                yield f"{where} {now[key]['name']}: new required parameter"

    def _request_body(self, where: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{where}: asks for a body"
            return
        for media_type, content in old["content"].items():
            if new is None or media_type not in new["content"]:
                yield f"{where} {media_type}: no body of this type any more"
            else:
                yield from self._sent(f"{where} body", content["schema"], new["content"][media_type]["schema"], _DEPTH)

    def _response(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        for name in old.get("headers", {}).keys() - new.get("headers", {}).keys():
            yield f"{where}: header {name} removed"
        now = new.get("content", {})
        for media_type, content in old.get("content", {}).items():
            if media_type in now:
                yield from self._received(where, content.get("schema", {}), now[media_type].get("schema", {}), _DEPTH)
            elif not (media_type.endswith("/*") and any(each.startswith(media_type[:-1]) for each in now)):
                yield f"{where}: no answer of type {media_type} any more"

    def _sent(self, where: str, old: Schema, new: Schema, depth: int) -> Iterator[str]:
        """What a client sends by the old schema has to be valid by the new one."""
        before, now = _Meaning.of(old, self.old), _Meaning.of(new, self.new)
        if now.types and not before.types <= now.types:
            yield f"{where}: no {', '.join(sorted(before.types - now.types) or ['any'])} any more"
        if now.enum is not None:
            for value in sorted(set(before.enum or ["any other value"]) - set(now.enum)):
                yield f"{where}: {value} is refused"
        yield from _bounds(where, before.schema, now.schema)
        if depth == 0 or "object" not in before.types & now.types:
            return
        for name in sorted(now.required - before.required):
            yield f"{where}.{name}: is required now"
        for name, described in before.properties.items():
            if name in now.properties:
                yield from self._sent(f"{where}.{name}", described, now.properties[name], depth - 1)
            else:
                yield f"{where}.{name}: removed"

    def _received(self, where: str, old: Schema, new: Schema, depth: int) -> Iterator[str]:
        """What a client receives by the new schema has to be valid by the old one, but for new fields and values."""
        before, now = _Meaning.of(old, self.old), _Meaning.of(new, self.new)
        if before.types and not now.types <= before.types:
            yield f"{where}: may be {', '.join(sorted(now.types - before.types))}"
        if before.types and not now.types:
            yield f"{where}: may be anything"
        if before.enum is not None and now.enum is None:
            yield f"{where}: is no enum any more"
        if before.schema.get("format", now.schema.get("format")) != now.schema.get("format"):
            yield f"{where}: format changed"
        if depth == 0 or "object" not in before.types:
            return
        for name, described in before.properties.items():
            if name not in now.properties:
                yield f"{where}.{name}: removed"
                continue
            if name in before.required - now.required:
                yield f"{where}.{name}: may be missing"
            yield from self._received(f"{where}.{name}", described, now.properties[name], depth - 1)


@dataclass(frozen=True)
class _Meaning:
    """What a schema says, with references followed and the choice of null taken apart."""

    schema: Schema
    types: frozenset[str]
    enum: tuple[str, ...] | None

    @classmethod
    def of(cls, schema: Schema, document: Schema) -> "_Meaning":
        schema = _follow(schema, document)
        choices = [_follow(each, document) for each in schema.get("anyOf", schema.get("oneOf", ()))]
        if not choices:
            choices = [schema]
        types = frozenset(kind for each in choices for kind in _types(each))
        chosen = next((each for each in choices if each.get("type") != "null"), choices[0])
        values = chosen.get("enum", [chosen["const"]] if "const" in chosen else None)
        return cls({**schema, **chosen}, types, None if values is None else tuple(map(str, values)))

    @property
    def properties(self) -> Mapping[str, Schema]:
        found: Mapping[str, Schema] = self.schema.get("properties", {})
        return found

    @property
    def required(self) -> frozenset[str]:
        return frozenset(self.schema.get("required", ()))


def _bounds(where: str, old: Schema, new: Schema) -> Iterator[str]:
    for name in _UPPER:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{where}: {name} is {new[name]}"
    for name in _LOWER:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{where}: {name} is {new[name]}"
    for name in ("pattern", "format"):
        if name in new and new[name] != old.get(name):
            yield f"{where}: {name} is {new[name]}"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{where}: no further fields"


def _asks_for_key(operation: Schema) -> bool:
    """Whether there is no choice of sending none."""
    choices = operation.get("security", ())
    return bool(choices) and {} not in choices


def _types(schema: Schema) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else list(found)


def _follow(schema: Schema, document: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    node: Any = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        node = node[part]
    return {**_follow(node, document), **{name: value for name, value in schema.items() if name != "$ref"}}


def _without_null(schema: Schema) -> Schema:
    """A parameter's schema without the choice of null, which no header, path or query can carry."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **choices[0]}


def _parameters(operation: Schema) -> dict[tuple[str, str], Schema]:
    """By place and name; headers' names are the same in any case."""
    return {
        (each["in"], each["name"].lower() if each["in"] == "header" else each["name"]): each
        for each in operation.get("parameters", ())
    }
