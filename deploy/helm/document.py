"""Writes the chart's README.md and values.schema.json from its values.yaml, and files/settings.json from the services'
settings: `make docs`; `--check` only compares.

A value is told by the comment above it. Its type is that of its default; a last comment line `@schema {…}` adds to it.
A mapping with members refuses others; an empty one takes any.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from vidferry_api.settings import ApiSettings
from vidferry_common.metrics import AdminSettings
from vidferry_common.settings import Settings
from vidferry_gateway.settings import GatewaySettings
from vidferry_worker.settings import WorkerSettings

CHART = Path(__file__).parent / "vidferry"
KEY = re.compile(r"^( *)([A-Za-z0-9]+):")
SERVICES: dict[str, type[Settings]] = {"api": ApiSettings, "worker": WorkerSettings, "gateway": GatewaySettings}
SET_BY_TEMPLATES = re.compile(r"^(?:- name: )?(VIDFERRY_[A-Z0-9_]+)", re.MULTILINE)
STEP = 2
"""spaces a level"""

HEAD = """# Vidferry's chart

{description}

    helm install vidferry deploy/helm/vidferry --namespace vidferry --create-namespace \\
      --set image.registry=registry.example.org/media \\
      --set bucket.type=gcs,bucket.gcs.name=my-bucket,bucket.gcs.workloadIdentity.enabled=true

The API asks for a key (`access.mode`). The chart makes a first one, and its notes say how to read it.

Push the images to your own registry first. [docs/procedures.md](../../../docs/procedures.md) has the commands for that,
and for storage, backups and rotating secrets. [docs/operations.md](../../../docs/operations.md) explains how to install
Vidferry on GKE and on other clusters, with keys or OpenID Connect, and how to upgrade and scale it.

The chart needs Kubernetes {kubernetes}. It needs KEDA, the Prometheus Operator or the Gateway API only if you enable
values that use them. It refuses unknown values and values that contradict each other, and says what to change.

## Values

`make docs` writes this table from `values.yaml`.

| value | default | meaning |
|---|---|---|
"""


@dataclass
class Value:
    """One key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    meaning: str = ""
    rules: dict[str, Any] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        """Whether its members are values of their own."""
        return isinstance(self.default, dict) and bool(self.default) and not self.rules


def values(text: str) -> Iterator[Value]:
    """All keys in their order, without those inside a free mapping."""
    tree = yaml.safe_load(text)
    comment: list[str] = []
    path: list[str] = []
    free: tuple[str, ...] | None = None
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip()[1:].strip())
            continue
        if match := KEY.match(line):
            path = [*path[: len(match[1]) // STEP], match[2]]
            if free is None or tuple(path[: len(free)]) != free:
                value = _value(tuple(path), tree, comment)
                free = None if value.is_group else value.path
                yield value
        comment = []


def _value(path: tuple[str, ...], tree: Any, comment: list[str]) -> Value:
    for name in path:
        tree = tree[name]
    rules = [line for line in comment if line.startswith("@schema")]
    return Value(
        path,
        tree,
        " ".join(line for line in comment if not line.startswith("@schema")),
        json.loads(rules[0].removeprefix("@schema")) if rules else {},
    )


def schema(found: list[Value]) -> dict[str, Any]:
    root: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of Vidferry's chart",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }
    for value in found:
        place = root
        for name in value.path[:-1]:
            place = place["properties"][name]
        place["properties"][value.path[-1]] = _schema_of(value)
    return root


def _schema_of(value: Value) -> dict[str, Any]:
    if value.is_group:
        described = {"description": value.meaning} if value.meaning else {}
        return {**described, "type": "object", "additionalProperties": False, "properties": {}}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    kind = {} if value.default is None or "type" in value.rules else {"type": kinds[type(value.default)]}
    return {"description": value.meaning, **kind, **value.rules}


def settings() -> dict[str, list[str]]:
    """The names that `settings` of the chart may hold, by service, and why others may not be there."""
    templates = "".join(path.read_text() for path in sorted((CHART / "templates").glob("_*.tpl")))
    fields = {name: _own_fields({**kind.model_fields, **AdminSettings.model_fields}) for name, kind in SERVICES.items()}
    secret = {name for each in fields.values() for name, info in each.items() if SecretStr in _types(info.annotation)}
    return {
        **{name: _variables(each) for name, each in fields.items()},
        "secret": _variables(secret),
        "own": sorted(set(SET_BY_TEMPLATES.findall(templates))),
    }


def _own_fields(fields: dict[str, FieldInfo]) -> dict[str, FieldInfo]:
    """Those whose variables begin with VIDFERRY_. The others have values of the chart (`tracing`)."""
    return {name: info for name, info in fields.items() if info.validation_alias is None}


def _types(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def _variables(fields: Iterable[str]) -> list[str]:
    return sorted(f"VIDFERRY_{name.upper()}" for name in fields)


def readme(found: list[Value]) -> str:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    head = HEAD.format(
        description=chart["description"],
        kubernetes=chart["kubeVersion"].removeprefix(">=").removesuffix("-0") + " or newer",
    )
    rows = (
        f"| `{'.'.join(value.path)}` | {_default(value.default)} | {value.meaning.replace('|', chr(92) + '|')} |\n"
        for value in found
        if not value.is_group
    )
    return head + "".join(rows)


def _default(default: Any) -> str:
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def main() -> int:
    found = list(values((CHART / "values.yaml").read_text()))
    silent = [".".join(value.path) for value in found if not value.is_group and not value.meaning]
    if silent:
        sys.exit(f"values.yaml has no comment for {', '.join(silent)}")
    files = {
        CHART / "README.md": readme(found),
        CHART / "values.schema.json": json.dumps(schema(found), indent=2, ensure_ascii=False) + "\n",
        CHART / "files" / "settings.json": json.dumps(settings(), indent=2) + "\n",
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.name} of the chart is out of date: run make docs")
        else:
            path.write_text(files[path])
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
