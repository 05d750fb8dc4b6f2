"""Tells Prometheus of Vidferry's pods over http_sd: Debian's is built without Kubernetes in it."""

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def serve(port: int, namespace: str) -> None:
    address = f"https://kubernetes.default.svc/api/v1/namespaces/{namespace}/pods"
    tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = Request(address, headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"})
            with urlopen(asked, context=tls, timeout=10) as answer:
                body = json.dumps([found for pod in json.load(answer)["items"] for found in targets(pod)]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Quiet."""

    with ThreadingHTTPServer(("0.0.0.0", port), Handler) as server:
        server.serve_forever()


def targets(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """A pod's admin ports, as a PodMonitor finds them: by name, with namespace and pod as labels."""
    if pod["status"]["phase"] not in {"Pending", "Running"} or "podIP" not in pod["status"]:
        return []
    labels = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
    return [
        {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"], "labels": labels}
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if port.get("name") == "admin"
    ]
