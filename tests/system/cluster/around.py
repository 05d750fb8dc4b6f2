"""What stands around Vidferry in the cluster: the origin, the bucket, a Prometheus, and a pod of nobody's."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from support.gcs_rules import Account
from system.cluster import kube
from system.cluster.settings import AROUND, CLASS, NAMESPACE, image, tag

OUTSIDE = "system.cluster.outside"
BUCKET = "finished"
ORIGIN = f"http://origin.{AROUND}.svc.cluster.local:8000"
STORAGE = f"http://bucket.{AROUND}.svc.cluster.local:8080"
RESTRICTED = {
    f"pod-security.kubernetes.io/{mode}{suffix}": value
    for mode in ("enforce", "warn")
    for suffix, value in (("", "restricted"), ("-version", "latest"))
}


@dataclass(frozen=True)
class Around:
    origin_ip: str
    bucket_ip: str


def start() -> Around:
    """Returns when all of it is ready."""
    kube.apply(*(namespace(name) for name in (AROUND, NAMESPACE)))
    key = Account().key_file()
    for name in (AROUND, NAMESPACE):
        kube.apply(secret(name, "bucket-key", {"credentials.json": key.encode()}))
    kube.apply(
        *served("origin", 8000, [OUTSIDE, "origin", "--address", ORIGIN]),
        *served(
            "bucket", 8080,
            [OUTSIDE, "bucket", "--address", STORAGE, "--key", "/key/credentials.json", "--bucket", BUCKET],
            secrets={"bucket-key": "/key"},
        ),
        pod("stranger", ["http.server", "8000", "--directory", "/tmp"]),
        bucket_ingress(),
        *prometheus_objects(),
    )  # fmt: skip
    kube.kubectl("-n", AROUND, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
    return Around(*(kube.get(AROUND, "pod", name)["status"]["podIP"] for name in ("origin", "bucket")))


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


def secret(namespace: str, name: str, data: dict[str, bytes], kind: str = "Opaque") -> dict[str, Any]:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name, "namespace": namespace},
            "data": encoded}  # fmt: skip


def pod(
    name: str,
    arguments: list[str],
    *,
    port: int = 8000,
    command: list[str] | None = None,
    secrets: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod of the test image that the restricted Pod Security Standard admits."""
    mounts = [{"name": one, "mountPath": path, "readOnly": True} for one, path in (secrets or {}).items()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": AROUND, "labels": {"app": name, **(labels or {})}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": False,
            "automountServiceAccountToken": "serviceAccountName" in spec,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": name,
                "image": f"{image('test')}:{tag('test')}",
                "imagePullPolicy": "IfNotPresent",
                **({"command": command} if command else {}),
                "args": arguments,
                "ports": [{"containerPort": port}],
                "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": mounts,
            }],
            "volumes": [{"name": one, "secret": {"secretName": one}} for one in secrets or {}],
            **spec,
        },
    }  # fmt: skip


def served(name: str, port: int, arguments: list[str], **options: Any) -> list[dict[str, Any]]:
    """A pod and its headless Service: clients connect to the pod's own address, which policies know."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": AROUND},
        "spec": {"clusterIP": "None", "selector": {"app": name}, "ports": [{"port": port}]},
    }
    return [pod(name, arguments, port=port, **options), service]


def bucket_ingress() -> dict[str, Any]:
    """So that whoever is outside the cluster can follow the links, which name the bucket as the pods do."""
    backend = {"service": {"name": "bucket", "port": {"number": 8080}}}
    rule = {"host": f"bucket.{AROUND}.svc.cluster.local",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}  # fmt: skip
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "bucket", "namespace": AROUND},
        "spec": {**({"ingressClassName": CLASS} if CLASS else {}), "rules": [rule]},
    }


DISCOVERY = f"http://discovery.{AROUND}.svc.cluster.local:8001"
PROMETHEUS_CONFIG = f"""
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [/etc/config/rules*.yml]
scrape_configs:
  - job_name: vidferry
    http_sd_configs: [{{url: "{DISCOVERY}", refresh_interval: 2s}}]
"""


def prometheus(name: str, **rules: str) -> list[dict[str, Any]]:
    """A pod of one, so that policies apply to it, with rules by the names of their files without `.yml`."""
    files = {"prometheus": PROMETHEUS_CONFIG, **rules}
    return [
        secret(AROUND, name, {f"{file}.yml": text.encode() for file, text in files.items()}),
        pod(
            name,
            ["--config.file=/etc/config/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus"],
            command=["prometheus"],
            port=9090,
            secrets={name: "/etc/config"},
            labels={"app.kubernetes.io/name": "prometheus"},
        ),
    ]


def prometheus_objects() -> list[dict[str, Any]]:
    """One that finds Vidferry's pods as the Prometheus Operator's does."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "prometheus", "namespace": NAMESPACE}}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "prometheus"}
    account = {"kind": "ServiceAccount", "name": "prometheus", "namespace": AROUND}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "prometheus", "namespace": AROUND}},
        {**role, "kind": "Role",
         "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]},
        {**role, "kind": "RoleBinding", "roleRef": ref, "subjects": [account]},
        *prometheus("prometheus"),
        *served(
            "discovery", 8001, [OUTSIDE, "discovery", "--address", DISCOVERY, "--namespace", NAMESPACE],
            serviceAccountName="prometheus",
        ),
    ]  # fmt: skip


def query(expression: str, name: str = "prometheus") -> list[dict[str, Any]]:
    """What a Prometheus answers, asked by the API server's proxy."""
    path = f"/api/v1/namespaces/{AROUND}/pods/{name}:9090/proxy/api/v1/query?{urlencode({'query': expression})}"
    found: list[dict[str, Any]] = json.loads(kube.kubectl("get", "--raw", path))["data"]["result"]
    return found


def stop() -> None:
    for name in (NAMESPACE, AROUND):
        kube.kubectl("delete", "namespace", name, "--ignore-not-found", f"--timeout={kube.WAIT_SECONDS}s")
