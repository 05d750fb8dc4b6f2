"""Renders the chart, and finds things in what it made."""

import json
import re
import tempfile
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import kubernetes
from support.tree import ROOT

CHART = ROOT / "deploy" / "helm" / "vidferry"
RELEASE = "vidferry"
NAMESPACE = "media"
BATCH = 40
"""sets of values that one helm renders; more take too much memory, and too long on a busy machine"""
Resource = dict[str, Any]
Values = Mapping[str, Any]


class Rendered:
    """The resources of one rendering."""

    def __init__(self, documents: Iterable[str]) -> None:
        self.resources: list[Resource] = [resource for each in documents if (resource := _parse(each))]

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


_rendered: dict[str, Rendered] = {}
"""by the values as JSON; of the chart itself, since tests change their copies of it"""
_batches: dict[str, list[str]] = {}
"""the values that are rendered with others, and those others"""


def render(values: Values | None = None) -> Rendered:
    """Fails where helm refuses."""
    key = _key(values or {})
    if key not in _rendered and key in _batches:
        _render_batch(_batches[key])
    if key not in _rendered:
        _rendered[key] = render_chart(CHART, values or {})
    return _rendered[key]


def plan_batches(sets: Iterable[Values]) -> None:
    """Has `render` render these sets of values in batches, since half of what a run of helm takes is its start."""
    keys = [key for key in dict.fromkeys(map(_key, sets)) if key not in _rendered]
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        _batches.update(dict.fromkeys(batch, batch))


def _render_batch(keys: list[str]) -> None:
    """Renders none where helm refuses one: each is rendered by itself then, which tells them apart."""
    with tempfile.TemporaryDirectory(prefix="vidferry-charts-") as folder:
        values = nest_charts(Path(folder), [json.loads(key) for key in keys])
        done = _template(Path(folder), values)
    if done.returncode == 0:
        documents: dict[str, list[str]] = {name: [] for name in values}
        for each in _documents(done.stdout):
            documents[each.split("/", 3)[2]].append(each)
        _rendered.update({key: Rendered(found) for key, found in zip(keys, documents.values(), strict=True)})
    for key in keys:
        _batches.pop(key, None)


def render_chart(chart: Path, values: Values, release: str = RELEASE, namespace: str = NAMESPACE) -> Rendered:
    """Any chart, each time anew."""
    done = _template(chart, values, release, namespace)
    assert done.returncode == 0, f"{values}: {done.stderr}"
    return Rendered(_documents(done.stdout))


def secret_text(rendered: Rendered, name: str, key: str) -> str:
    """What stands under a key of a Secret that the chart makes."""
    return b64decode(rendered.get("Secret", name)["data"][key]).decode()


def render_upgrade(values: Values) -> Rendered:
    """As an upgrade renders it that finds what is in the cluster which KUBECONFIG names."""
    live = ["--dry-run=server", "--disable-openapi-validation"]
    done = _run(["template", RELEASE, str(CHART), "--namespace", NAMESPACE, *live], values)
    assert done.returncode == 0, done.stderr
    return Rendered(_documents(done.stdout))


def refusal(values: Values, chart: Path = CHART) -> str:
    """What helm says; fails where it renders."""
    done = _template(chart, values)
    assert done.returncode != 0, f"{values} was rendered"
    said: str = done.stderr
    return said.removesuffix("\n\nUse --debug flag to render out invalid YAML\n")


def lint(chart: Path, values: Values) -> str:
    """The log of `helm lint`."""
    log: str = _run(["lint", str(chart)], values).stderr
    return log


def nest_charts(folder: Path, sets: Sequence[Values], chart: Path = CHART) -> Values:
    """Makes the folder a chart with one for each set; the values for it.

    The chart lies within another one each time, since an alias would change the names of what it makes.
    """
    within = [folder / "charts" / f"set{number}" for number in range(len(sets))]
    for each in (folder, *within):
        (each / "charts").mkdir(parents=True)
        (each / "Chart.yaml").write_text(f"apiVersion: v2\nname: {each.name}\nversion: 1.0.0\n")
    for each in within:
        (each / "charts" / "vidferry").symlink_to(chart)
    return {each.name: {"vidferry": values} for each, values in zip(within, sets, strict=True)}


def _template(chart: Path, values: Values, release: str = RELEASE, namespace: str = NAMESPACE) -> Any:
    return _run(["template", release, str(chart), "--namespace", namespace], values)


def _run(command: list[str], values: Values) -> Any:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        return kubernetes.run("helm", *command, "--values", file.name)


def _key(values: Values) -> str:
    return json.dumps(values, sort_keys=True)


def _documents(text: str) -> list[str]:
    """Each begins with the path of its template within the chart."""
    return text.split("---\n# Source: ")[1:]


@cache
def _parse(document: str) -> Any:
    """Most documents are the same in many renderings: each is parsed once."""
    return yaml.load("# " + document.partition("templates/")[2], getattr(yaml, "CSafeLoader", yaml.SafeLoader))


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
