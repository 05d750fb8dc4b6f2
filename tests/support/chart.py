"""Renders the chart, and finds things in what it made."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import kubernetes
from support.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "vidferry"
RELEASE = "vidferry"
NAMESPACE = "media"
Resource = dict[str, Any]
Values = Mapping[str, Any]


class Rendered:
    """The resources of one rendering."""

    def __init__(self, text: str) -> None:
        loaded = yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.resources: list[Resource] = [resource for resource in loaded if resource]

    def get(self, kind: str, name: str = "") -> Resource:
        """The one of that kind; name is its name's last part, such as `api`."""
        (found,) = self.all(kind, name)
        return found

    def all(self, kind: str, name: str = "") -> list[Resource]:
        wanted = f"{RELEASE}-{name}" if name else None
        return [
            resource
            for resource in self.resources
            if resource["kind"] == kind and wanted in {None, resource["metadata"]["name"]}
        ]

    def pod(self, name: str) -> dict[str, Any]:
        """The pod's spec of a service."""
        spec: dict[str, Any] = self.get("Deployment", name)["spec"]["template"]["spec"]
        return spec

    def settings(self, name: str) -> dict[str, str]:
        data: dict[str, str] = self.get("ConfigMap", name)["data"]
        return data

    def pods(self) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
        """Name, spec and labels of all that runs."""
        for resource in self.resources:
            name = resource["metadata"]["name"]
            if resource["kind"] == "Pod":
                yield name, resource["spec"], resource["metadata"]["labels"]
            elif resource["kind"] in {"Deployment", "StatefulSet"}:
                template = resource["spec"]["template"]
                yield name, template["spec"], template["metadata"]["labels"]

    def leaves(self, name: str) -> list[str]:
        """Each leaf of the resource `Kind/name` as ` path=value`; none where it isn't made."""
        return [
            f" {leaf}"
            for resource in self.resources
            if f"{resource['kind']}/{resource['metadata']['name']}" == name
            for leaf in _leaves(resource, "")
        ]


def render(values: Values | None = None, chart: Path = CHART, release: str = RELEASE) -> Rendered:
    """Fails where helm refuses."""
    return _render(json.dumps(values or {}, sort_keys=True), chart, release)


@cache
def _render(values: str, chart: Path, release: str) -> Rendered:
    done = _template(values, chart, release)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout)


def refusal(values: Values, chart: Path = CHART) -> str:
    """What helm says; fails where it renders."""
    done = _template(json.dumps(values), chart, RELEASE)
    assert done.returncode != 0, f"{values} was rendered"
    said: str = done.stderr
    return said.removesuffix("\n\nUse --debug flag to render out invalid YAML\n")


def _template(values: str, chart: Path, release: str) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        return kubernetes.run("helm", "template", release, str(chart), "--namespace", NAMESPACE, "--values", file.name)


def nested(path: str, value: Any) -> dict[str, Any]:
    """`a.b`, 1 → {"a": {"b": 1}}"""
    for name in reversed(re.split(r"\.", path)):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def merged(*parts: Values) -> dict[str, Any]:
    """Later ones win; mappings are merged."""
    result: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            known = result.get(name)
            both = isinstance(known, dict) and isinstance(value, dict) and value
            result[name] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _leaves(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for index, member in enumerate(value):
            yield from _leaves(member, f"{path}[{index}]")
    else:
        yield f"{path}={value if isinstance(value, str) else json.dumps(value)}"
