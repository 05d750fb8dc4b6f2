"""The part of a Kubernetes API that helm asks when it renders a chart beside what is there: which kinds there are, and
which Secrets."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from support.chart import RELEASE

Resource = dict[str, Any]


@contextmanager
def serve_secrets(made: Sequence[Resource], folder: Path) -> Iterator[Path]:
    """The path of a KUBECONFIG, written into the folder, for a cluster that knows the kinds of these resources, and has
    the Secrets among them."""
    answers = _kinds(made) | {
        f"/api/v1/namespaces/{one['metadata']['namespace']}/secrets/{one['metadata']['name']}": _owned(one)
        for one in made
        if one["kind"] == "Secret"
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(answer or missing).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield _config(f"http://127.0.0.1:{server.server_port}", folder / "kubeconfig")
        finally:
            server.shutdown()


def _owned(resource: Resource) -> Resource:
    """As helm keeps it, which takes over nothing that isn't its own."""
    owner = {"release-name": RELEASE, "release-namespace": resource["metadata"]["namespace"]}
    annotations = {f"meta.helm.sh/{name}": value for name, value in owner.items()}
    return {**resource, "metadata": {**resource["metadata"], "annotations": annotations}}


def _kinds(made: Sequence[Resource]) -> dict[str, Resource]:
    """What discovery answers, by path."""
    listed: dict[str, list[Resource]] = {}
    for version, kind in sorted({(one["apiVersion"], one["kind"]) for one in made}):
        plural = kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")
        listed.setdefault(version, []).append({"name": plural, "namespaced": True, "kind": kind, "verbs": ["get"]})
    versions = [
        {"groupVersion": version, "version": version.rpartition("/")[2]} for version in listed if "/" in version
    ]
    groups = [
        {"name": each["groupVersion"].partition("/")[0], "versions": [each], "preferredVersion": each}
        for each in versions
    ]
    return {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        **{
            f"/{'apis' if '/' in version else 'api'}/{version}": {
                "kind": "APIResourceList", "groupVersion": version, "resources": resources,
            }
            for version, resources in listed.items()
        },
    }  # fmt: skip


def _config(server: str, path: Path) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(yaml.safe_dump(config))
    return path
