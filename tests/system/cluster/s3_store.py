"""An S3-compatible store in the cluster: versitygw in a pod, behind a Service and an Ingress."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from system.cluster import kube
from system.cluster.around import pod, secret
from system.cluster.client import tls
from system.cluster.settings import AROUND, CLASS, INGRESS, NAMESPACE, S3_HOST, address

PORT = 7070
"""the container's; the Service's is 80, so policies must be told"""
ENDPOINT = f"http://s3.{AROUND}.svc.cluster.local"
PUBLIC = f"https://{S3_HOST}"
BUCKET = "videos"
KEYS = {"AWS_ACCESS_KEY_ID": "cluster-tests", "AWS_SECRET_ACCESS_KEY": "no-secret-outside-of-the-tests"}
OBJECTS, TOLD = "/tmp/objects", "/tmp/told"
"""folders of the store; a bucket is a folder, and what there is to know of objects is in another one"""
SERVE = f"mkdir -p {OBJECTS}/{BUCKET} {TOLD} && exec versitygw --port :{PORT} --quiet posix --sidecar {TOLD} {OBJECTS}"
VALUES: dict[str, Any] = {
    "bucket": {
        "type": "s3",
        "gcs": {"name": ""},
        "s3": {
            "name": BUCKET,
            "prefix": "media",
            "endpoint": ENDPOINT,
            "publicEndpoint": PUBLIC,
            "allowHttp": True,
            "existingSecret": "s3-key",
        },
    },
    "networkPolicy": {
        "bucketRanges": [],
        "bucket": {
            "peers": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": AROUND}},
                    "podSelector": {"matchLabels": {"app": "s3"}},
                }
            ],
            "ports": [PORT],
        },
    },
}
"""of the chart, instead of Cloud Storage's stand-in"""


@contextmanager
def store() -> Iterator[None]:
    """It is ready, and the release's pods have its key. All of it goes in the end."""
    access, secret_key = KEYS.values()
    root = [f"ROOT_ACCESS_KEY={access}", f"ROOT_SECRET_KEY={secret_key}"]
    kube.apply(
        secret(NAMESPACE, "s3-key", {name: value.encode() for name, value in KEYS.items()}),
        pod("s3", [SERVE], port=PORT, command=["env", *root, "sh", "-c"]),
        service(),
        ingress(),
    )
    try:
        kube.kubectl("-n", AROUND, "wait", "--for=condition=Ready", "pod/s3", f"--timeout={kube.WAIT_SECONDS}s")
        yield
    finally:
        kube.kubectl("-n", AROUND, "delete", "pod/s3", "service/s3", "ingress/s3")
        kube.kubectl("-n", NAMESPACE, "delete", "secret", "s3-key")


def service() -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": PORT}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s3", "namespace": AROUND},
            "spec": {"selector": {"app": "s3"}, "ports": ports}}  # fmt: skip


def ingress() -> dict[str, Any]:
    """For browsers, by https and the host that links name."""
    backend = {"service": {"name": "s3", "port": {"number": 80}}}
    rule = {"host": S3_HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "s3", "namespace": AROUND},
        "spec": {
            **({"ingressClassName": CLASS} if CLASS else {}),
            "tls": [{"hosts": [S3_HOST], "secretName": "certificate"}],
            "rules": [rule],
        },
    }


class Outside:
    """Somebody outside the cluster, who knows the store by its Ingress alone."""

    def __init__(self, trusted: bytes) -> None:
        host, port = address(INGRESS)
        self._http = httpx2.Client(
            base_url=f"https://{host}:{port}",
            headers={"Host": S3_HOST},
            verify=tls(trusted),
            timeout=20,
            trust_env=False,
        )

    def follow(self, link: str, **headers: str) -> httpx2.Response:
        assert link.startswith(f"{PUBLIC}/"), link.partition("?")[0]
        return self._http.get(link.removeprefix(PUBLIC), headers=headers, extensions={"sni_hostname": S3_HOST})

    def routed(self) -> None:
        """Returns when the controller brings requests to the store, which refuses those without a signature."""
        kube.until_nothing(lambda: [told] if (told := self.follow(f"{PUBLIC}/{BUCKET}").status_code) != 403 else [])

    def close(self) -> None:
        self._http.close()
