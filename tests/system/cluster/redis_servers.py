"""The Redis of a release: the chart's own, or three servers and three Sentinels beside it, as an operator has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from system.cluster import around, kube
from system.cluster.settings import AROUND, NAMESPACE, RELEASE

MASTER = "mymaster"
NAME = "redis"
PORT, SENTINEL_PORT = 6379, 26379
DOMAIN = f"{NAME}.{AROUND}.svc.cluster.local"
SECRET = "redis-password"
DOWN_MS = 5000
"""without an answer, after which a primary is replaced"""

SERVER = f"""
[ -f /data/redis.conf ] || {{
    printf '%s\\n' 'dir /data' 'appendonly yes' 'appendfsync always' 'save ""' 'repl-diskless-sync-delay 0' \\
        'min-replicas-to-write 1' 'min-replicas-max-lag 10' "replica-announce-ip $HOSTNAME.{DOMAIN}"
    [ "$HOSTNAME" = {NAME}-0 ] || echo "replicaof {NAME}-0.{DOMAIN} {PORT}"
}} > /data/redis.conf
# What a failover rewrote holds the passwords of its time.
sed -i '/^user default/d; /^requirepass/d; /^masterauth/d' /data/redis.conf
exec redis-server /data/redis.conf --requirepass "$REDISCLI_AUTH" --masterauth "$REDISCLI_AUTH"
"""
SENTINEL = f"""
[ -f /data/sentinel.conf ] || printf '%s\\n' 'port {SENTINEL_PORT}' 'dir /tmp' 'protected-mode no' \\
    'sentinel resolve-hostnames yes' 'sentinel announce-hostnames yes' "sentinel announce-ip $HOSTNAME.{DOMAIN}" \\
    'sentinel monitor {MASTER} {NAME}-0.{DOMAIN} {PORT} 2' 'sentinel down-after-milliseconds {MASTER} {DOWN_MS}' \\
    'sentinel failover-timeout {MASTER} 10000' > /data/sentinel.conf
sed -i '/^sentinel auth-pass/d' /data/sentinel.conf
echo "sentinel auth-pass {MASTER} $PASSWORD" >> /data/sentinel.conf
exec redis-server /data/sentinel.conf --sentinel
"""


@dataclass(frozen=True)
class Redis:
    """A StatefulSet of servers, of which one is the primary."""

    namespace: str
    name: str
    replicas: int
    secret: str
    user: int
    """whom the servers run as"""

    @property
    def pods(self) -> list[str]:
        return [f"{self.name}-{number}" for number in range(self.replicas)]

    @property
    def primary(self) -> str:
        """As the Sentinels say, where there are any."""
        return self.pods[0] if self.replicas == 1 else _sentinel("get-master-addr-by-name", MASTER).split(".")[0]

    @property
    def volumes(self) -> list[str]:
        return [f"data-{pod}" for pod in self.pods]

    def ask(self, pod: str, *words: str) -> str:
        """What a server answers; it may be a refusal."""
        return kube.kubectl("-n", self.namespace, "exec", pod, "-c", NAME, "--", "redis-cli", *words)

    def ask_all(self, *words: str) -> None:
        for pod in self.pods:
            self.ask(pod, *words)

    def stop(self) -> None:
        """Returns when no server is left."""
        self._scale(0)
        kube.kubectl("-n", self.namespace, "wait", "--for=delete", *(f"pod/{pod}" for pod in self.pods), TIMEOUT)

    def start(self) -> None:
        """Returns when all are ready."""
        self._scale(self.replicas)
        self.settled()

    def restart(self) -> None:
        kube.kubectl("-n", self.namespace, "rollout", "restart", f"statefulset/{self.name}")
        self.settled()

    def fail_over(self) -> None:
        """By hand; returns when another is the primary."""
        before = self.primary
        _sentinel("failover", MASTER)
        kube.until_nothing(lambda: [before] if self.primary == before else [])

    def settled(self) -> None:
        kube.kubectl("-n", self.namespace, "rollout", "status", f"statefulset/{self.name}", TIMEOUT)

    def password(self) -> str:
        """Base64, as the Secret has it."""
        return str(kube.get(self.namespace, "secret", self.secret)["data"][SECRET])

    def _scale(self, replicas: int) -> None:
        kube.kubectl("-n", self.namespace, "scale", f"statefulset/{self.name}", f"--replicas={replicas}")


TIMEOUT = f"--timeout={kube.WAIT_SECONDS}s"
BUNDLED = Redis(NAMESPACE, f"{RELEASE}-redis", 1, f"{RELEASE}-redis", 999)
REPLICATED = Redis(AROUND, NAME, 3, SECRET, 65532)
WITH_SENTINEL = {
    "redis": {
        "bundled": {"enabled": False},
        "external": {
            "existingSecret": SECRET,
            "sentinel": {"hosts": [f"{pod}.{DOMAIN}" for pod in REPLICATED.pods], "master": MASTER},
        },
    }
}
"""values of a release that uses REPLICATED"""


@contextmanager
def replicated() -> Iterator[None]:
    """Three servers and three Sentinels, ready; gone afterwards with all that they kept."""
    for namespace in (AROUND, NAMESPACE):
        kube.apply(around.secret(namespace, SECRET, {SECRET: b"first-password"}))
    kube.apply(*_objects())
    try:
        REPLICATED.settled()
        kube.until_nothing(_missing)
        yield
    finally:
        kube.kubectl("-n", AROUND, "delete", "statefulset", NAME, TIMEOUT)
        kube.kubectl("-n", AROUND, "delete", "pvc", *REPLICATED.volumes, TIMEOUT)


def _missing() -> list[str]:
    """What a Sentinel doesn't know yet."""
    words = _sentinel("master", MASTER).split()
    known = dict(pairwise(words))
    return [word for word in ("num-slaves", "num-other-sentinels") if int(known[word]) < REPLICATED.replicas - 1]


def _sentinel(*words: str) -> str:
    """What the first Sentinel that answers says, a word a line."""
    for pod in REPLICATED.pods:
        try:
            command = ["exec", pod, "-c", "sentinel", "--", "redis-cli", "-p", str(SENTINEL_PORT), "sentinel", *words]
            return kube.kubectl("-n", AROUND, *command)
        except kube.CommandFailed as error:
            refused = error
    raise refused


def _objects() -> list[dict[str, Any]]:
    labels = {"app": NAME}
    made = around.pod(NAME, ["-c", SERVER], command=["sh"], port=PORT, labels=labels)
    spec = made["spec"]
    # A Sentinel that waits 2 s for a name, of a pod that is gone, gives up judging for 30 s (its TILT mode).
    spec["dnsConfig"] = {"options": [{"name": "ndots", "value": "1"}]}
    (server,) = spec["containers"]
    server["env"] = [_password("REDISCLI_AUTH")]
    server["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    # not PASSWORD's name in the server: redis-cli would send it to Sentinels, which have none
    sentinel = server | {
        "name": "sentinel",
        "args": ["-c", SENTINEL],
        "env": [_password("PASSWORD")],
        "ports": [{"containerPort": SENTINEL_PORT}],
        "readinessProbe": {"tcpSocket": {"port": SENTINEL_PORT}, "periodSeconds": 1},
    }
    spec["containers"].append(sentinel)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": AROUND},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels,
            "ports": [{"name": "redis", "port": PORT}, {"name": "sentinel", "port": SENTINEL_PORT}],
        },
    }
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": NAME, "namespace": AROUND},
        "spec": {
            "serviceName": NAME,
            "replicas": REPLICATED.replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }
    return [service, stateful_set]


def _password(variable: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": SECRET}}}
