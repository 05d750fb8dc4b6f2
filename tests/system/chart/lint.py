"""`make lint-chart`: each way to install the chart, as helm lint, kubernetes-validate and checkov see it.

The complaints of checkov that are accepted stand here with their reasons. Any other fails, and so does a reason that no
complaint needs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from support import kubernetes
from support.chart import CHART, render
from system.chart.schemas import VERSIONS
from system.chart.value_sets import SETS

CHECKOV = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("checkov")
KUBERNETES_VALIDATE = Path(sys.executable).with_name("kubernetes-validate")
OTHERS = {"cloud.google.com", "gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com",
          "networking.gke.io"}  # fmt: skip
"""groups that Kubernetes itself does not have: tests/system/chart/schemas.py knows what the chart writes of them"""


class Accepted(NamedTuple):
    """A complaint that stands."""

    check: str
    resources: str
    """what the names end with of those that it is accepted of"""
    reason: str


ACCEPTED = (
    Accepted(
        "CKV_K8S_11",
        "",
        "No limits of CPU: they slow a pod down in the middle of what it does, though the node has time to spare. "
        "Requests say what each is sure of.",
    ),
    Accepted(
        "CKV_K8S_15",
        "",
        "Images are pulled where they are missing. A tag of `make images` names its commit, so it never changes, and a "
        "pod must start while the registry is away.",
    ),
    Accepted(
        "CKV_K8S_43",
        "",
        "Whoever installs pushes the images, so the chart can't know their digests; `image.digest` takes them.",
    ),
    Accepted(
        "CKV_K8S_35",
        "",
        "Passwords are settings, and those are environment variables alone. A child that runs a download sees none of "
        "them, and its filter lets it read no other process.",
    ),
    Accepted(
        "CKV_K8S_40",
        "",
        "The bundled Redis runs as its image's own user, who owns its files; `redis.bundled.runAsUser` takes another. "
        "On OpenShift the runtime chooses all users, from high ranges. Everything else is 65532.",
    ),
    Accepted("CKV_K8S_8", "-test", "`helm test` runs a program to its end: nothing is sent to it or starts it again."),
    Accepted("CKV_K8S_9", "-test", "As above."),
)


def main() -> int:
    resources = {}
    for name, values in SETS.items():
        _helm_lint(name, values)
        for one in render(values).resources:
            if one["metadata"]["name"] != "more":  # of `extraManifests`
                # what data holds, random passwords too, makes no other resource
                resources[json.dumps({**one, "data": None} if "data" in one else one, sort_keys=True)] = one
    with tempfile.TemporaryDirectory(prefix="vidferry-lint-") as folder:
        whole, own = Path(folder, "whole.yaml"), Path(folder, "own.yaml")
        whole.write_text(yaml.safe_dump_all(resources.values()))
        own.write_text(yaml.safe_dump_all(one for one in resources.values() if _group(one) not in OTHERS))
        for version in VERSIONS:
            _run(KUBERNETES_VALIDATE, "--strict", "--quiet", "--kubernetes-version", version.removesuffix(".0"), own)
        return _told(sorted(_complaints(whole)))


def _group(resource: dict[str, Any]) -> str:
    return str(resource["apiVersion"]).split("/", maxsplit=1)[0]


def _told(complaints: list[tuple[str, str, str]]) -> int:
    needed, wrong = set(), 0
    for check, resource, sentence in complaints:
        found = [one for one in ACCEPTED if one.check == check and resource.endswith(one.resources)]
        needed.update(found)
        if not found:
            wrong += 1
            print(f"{check} {resource}: {sentence}")
    unneeded = [one.check for one in ACCEPTED if one not in needed]
    for check in unneeded:
        print(f"{check} is accepted and nothing is complained of any more: take it off the list")
    print(f"{len(SETS)} ways to install, {len(complaints)} complaints of checkov")
    return int(bool(wrong or unneeded))


def _helm_lint(name: str, values: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        done = kubernetes.run("helm", "lint", "--strict", str(CHART), "--values", file.name)
    if done.returncode:
        sys.exit(f"helm lint, {name}: {done.stdout}{done.stderr}")


def _complaints(file: Path) -> set[tuple[str, str, str]]:
    """Check, resource and sentence of each."""
    command: list[str | Path] = [
        CHECKOV,
        "--framework",
        "kubernetes",
        "--file",
        file,
        "--output",
        "json",
        "--skip-download",
    ]
    done = subprocess.run([*command, "--soft-fail", "--quiet"], check=True, capture_output=True, text=True)
    failed = json.loads(done.stdout)["results"]["failed_checks"]
    return {(one["check_id"], one["resource"], one["check_name"]) for one in failed}


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
