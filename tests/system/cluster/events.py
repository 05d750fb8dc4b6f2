"""What happens to a release in an operator's day, and what is right of it.

The first lines of a function are the operator's; it returns when the cause of whatever it does is gone.
"""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from system.cluster import kube, ticket_keys
from system.cluster.around import pod, secret
from system.cluster.day import UNKNOWN, Day, Event
from system.cluster.kube import CommandFailed, kubectl
from system.cluster.redis_servers import SECRET, TIMEOUT
from system.cluster.release import COMPONENT, SELECTOR, SERVICES, pods, ready, settled
from system.cluster.settings import AROUND, NAMESPACE, RELEASE

OUTAGE, REFUSAL, ABSENCE = 60, 20, 15
"""seconds that Redis or the bucket is away; that the bucket refuses; that nodes or gateways are away"""
BAD_TAG_SECONDS = 20
"""that helm waits for pods of images that are nowhere"""
KILL = "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))"
"""The kernel's SIGKILL for a pod's first process, which no process of its own can kill: it has used a second."""
BURN = "for i = 1, 1e10 do end"
"""uses that second"""
SIGNAL = "import os, signal; os.kill(1, signal.{})"
HANDSHAKE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
"""of a WebSocket. A plain GET is refused for good, also where there is no gateway"""


def upgrade(service: str, day: Day) -> None:
    day.release.upgrade({service: {"podAnnotations": {"upgraded": str(time.time())}}})
    settled(service)


def roll_back(day: Day) -> None:
    day.release.roll_back()
    for service in SERVICES:
        settled(service)


def upgrade_to_nowhere(day: Day) -> None:
    tags: dict[str, Any] = {service: {"image": {"tag": "nowhere"}} for service in SERVICES}
    day.release.fails_to_upgrade(tags, BAD_TAG_SECONDS)
    left = {service: sum(map(is_ready, pods(service))) for service in SERVICES}
    day.noted.append(f"ready meanwhile: {left}")
    day.release.roll_back()
    assert all(left.values()), f"a service had no pod: {left}"


def scale(service: str, day: Day) -> None:
    for replicas in (day.setting.replicas + 2, day.setting.replicas):
        day.release.upgrade({service: {"replicas": replicas}})
        settled(service)


def evict(service: str, day: Day) -> None:
    name = pods(service)[0]["metadata"]["name"]
    _evict(NAMESPACE, name)
    ready(service)


def evict_redis(day: Day) -> None:
    _evict(day.redis.namespace, day.redis.primary)
    day.redis.settled()


def drain(day: Day) -> None:
    """Of the cluster's only node, and of the release's pods alone, so that nothing starts until the node is back."""
    names = [(NAMESPACE, one["metadata"]["name"]) for service in SERVICES for one in pods(service)]
    names += [(day.redis.namespace, name) for name in day.redis.pods]
    (node,) = {kube.get(namespace, "pod", name)["spec"]["nodeName"] for namespace, name in names}
    kubectl("cordon", node)
    try:
        kept = sum(not evicted(*name) for name in names)
        day.noted.append(f"kept by disruption budgets: {kept} of {len(names)} pods")
        time.sleep(ABSENCE)
    finally:
        kubectl("uncordon", node)
    day.redis.settled()
    for service in SERVICES:
        ready(service)


def kill(service: str, day: Day) -> None:
    _kill(NAMESPACE, pods(service)[0]["metadata"]["name"])


def kill_redis(day: Day) -> None:
    _kill(day.redis.namespace, day.redis.primary)


def kill_all(day: Day) -> None:
    """As a node's loss of power does."""
    names = [(NAMESPACE, one["metadata"]["name"]) for service in SERVICES for one in pods(service)]
    names += [(day.redis.namespace, name) for name in day.redis.pods]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: _kill(*name), names))


def redis_away(day: Day) -> None:
    day.redis.stop()
    time.sleep(OUTAGE)
    day.redis.start()


def workers_start_without_redis(day: Day) -> None:
    day.redis.stop()
    kubectl("-n", NAMESPACE, "delete", "pods", "-l", f"{SELECTOR},{COMPONENT}=worker", "--wait=false")
    settled("worker")
    time.sleep(ABSENCE)
    day.noted.append(f"restarts of workers: {sum(map(restarts, pods('worker')))}")
    day.redis.start()


def redis_full(day: Day) -> None:
    primary = day.redis.primary
    before = day.redis.ask(primary, "config", "get", "maxmemory").split()[-1]
    used = next(line for line in day.redis.ask(primary, "info", "memory").split() if line.startswith("used_memory:"))
    day.redis.ask(primary, "config", "set", "maxmemory", used.partition(":")[2])
    time.sleep(ABSENCE)
    day.redis.ask(primary, "config", "set", "maxmemory", before)


def fail_over(day: Day) -> None:
    day.redis.fail_over()


def bucket_away(day: Day) -> None:
    """Packets to it are dropped, and its open connections too."""
    kube.apply(NOBODY_REACHES_THE_BUCKET)
    try:
        time.sleep(OUTAGE)
    finally:
        kubectl("-n", AROUND, "delete", "networkpolicy", "bucket-away")


def bucket_refuses(day: Day) -> None:
    kube.python(AROUND, "bucket", SIGNAL.format("SIGUSR1"))
    try:
        time.sleep(REFUSAL)
        ready_ones = [is_ready(one) for one in pods("worker")]
        day.noted.append(f"workers ready meanwhile: {sum(ready_ones)} of {len(ready_ones)}")
        # A worker that has nothing to upload in this time does not know.
        assert not all(ready_ones), "each worker goes on taking downloads"
    finally:
        kube.python(AROUND, "bucket", SIGNAL.format("SIGUSR2"))


def no_gateway(day: Day) -> None:
    deployment = f"deployment/{RELEASE}-gateway"
    kubectl("-n", NAMESPACE, "scale", deployment, "--replicas=0")
    settled("gateway")
    for way, headers in (("ws", HANDSHAKE), ("sse", {})):
        kube.until_nothing(partial(astray, day, f"/{way}/download/{uuid.uuid4()}", headers))
        answer = day.client.request("GET", f"/{way}/download/{uuid.uuid4()}", headers=headers)
        day.noted.append(f"/{way}: {answer.status_code}, Retry-After {answer.headers.get('Retry-After')}")
    kubectl("-n", NAMESPACE, "scale", deployment, f"--replicas={day.setting.replicas}")
    ready("gateway")


def astray(day: Day, path: str, headers: dict[str, str]) -> list[str]:
    """Whether the controller still looks for gateways, and answers by itself. It must not be a 404 even then."""
    answer = day.client.request("GET", path, headers=headers)
    assert answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR, answer.text
    return [] if "Retry-After" in answer.headers else [f"{answer.status_code} by the controller"]


def back_up_and_restore(day: Day) -> None:
    primary = day.redis.primary
    pack = "tar -C /data -cz $(cd /data && ls -d appendonlydir) | base64"
    saved = kubectl("-n", day.redis.namespace, "exec", primary, "-c", "redis", "--", "sh", "-c", pack)
    time.sleep(ABSENCE)
    day.redis.stop()
    kube.apply(restorer(day))
    kubectl("-n", day.redis.namespace, "wait", "--for=condition=Ready", "pod/restorer", TIMEOUT)
    for number in range(day.redis.replicas):
        unpack = f"cd /volumes/{number} && rm -rf appendonlydir && base64 -d | tar -xz"
        kubectl("-n", day.redis.namespace, "exec", "-i", "restorer", "--", "sh", "-c", unpack, text=saved)
    kubectl("-n", day.redis.namespace, "delete", "pod", "restorer", TIMEOUT)
    day.redis.start()


def rotate_password(day: Day) -> None:
    """Both count until the services have the new one; then Redis starts with that alone."""
    new = f"rotated-{time.time_ns()}"
    day.redis.ask_all("acl", "setuser", "default", f">{new}")
    if day.redis.replicas > 1:
        day.redis.ask_all("config", "set", "masterauth", new)
    for namespace in {day.redis.namespace, NAMESPACE}:
        kube.apply(secret(namespace, day.redis.secret, {SECRET: new.encode()}))
    for service in SERVICES:
        kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{RELEASE}-{service}")
    for service in SERVICES:
        ready(service)
        settled(service)
    day.redis.restart()


def rotate_ticket_keys(day: Day) -> None:
    """All services accept both keys before one of them signs with the new one. The old one goes a day later."""
    ticket_keys.rotate_ahead()


def _evict(namespace: str, name: str) -> None:
    """Returns when it is gone."""
    before = kube.get(namespace, "pod", name)["metadata"]["uid"]
    assert evicted(namespace, name)
    kube.until_nothing(lambda: {before} & {one["metadata"]["uid"] for one in kube.get(namespace, "pods")})


def evicted(namespace: str, name: str) -> bool:
    """Whether its disruption budget lets it go, when asked as a drain asks."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    try:
        kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
    except CommandFailed as error:
        if "disruption budget" not in str(error):
            raise
        return False
    return True


def _kill(namespace: str, name: str) -> None:
    """Returns when it runs again, and is ready."""
    before = restarts(kube.get(namespace, "pod", name))
    kill_process(namespace, name)
    kube.until(namespace, "pod", name, holds=lambda one: restarts(one) > before and is_ready(one))


def kill_process(namespace: str, name: str) -> None:
    """A pod's first one, which the kubelet starts again."""
    container = kube.get(namespace, "pod", name)["spec"]["containers"][0]["name"]
    inside = ["-n", namespace, "exec", name, "-c", container, "--"]
    kubectl(*inside, "python", "-c", KILL)
    if container == "redis":  # which has not used a second by itself
        with suppress(CommandFailed):
            kubectl(*inside, "redis-cli", "eval", BURN, "0")


def restarts(one: dict[str, Any]) -> int:
    return sum(container["restartCount"] for container in one["status"].get("containerStatuses", ()))


def is_ready(one: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in one["status"].get("conditions", ()))


def restorer(day: Day) -> dict[str, Any]:
    """A pod with the volumes of all servers."""
    made = pod("restorer", ["http.server", "8000", "--directory", "/tmp"])
    made["metadata"]["namespace"] = day.redis.namespace
    spec = made["spec"]
    spec["securityContext"] |= {"runAsUser": day.redis.user, "fsGroup": day.redis.user}
    spec["volumes"] = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": claim}}
        for number, claim in enumerate(day.redis.volumes)
    ]
    spec["containers"][0]["volumeMounts"] = [
        {"name": f"v{number}", "mountPath": f"/volumes/{number}"} for number in range(day.redis.replicas)
    ]
    return made


NOBODY_REACHES_THE_BUCKET = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "bucket-away", "namespace": AROUND},
    "spec": {"podSelector": {"matchLabels": {"app": "bucket"}}, "policyTypes": ["Ingress"]},
}

LEASE = 10
"""seconds after which another worker runs what a lost one ran"""
BACK = 15
"""seconds that a client waits at most between two tries"""
UNANSWERED = 35
"""seconds until a request to a bucket that swallows packets has failed, and a watcher is told"""
START = 5
"""seconds that a killed container takes to be ready again; the kubelet waits 10 where it was killed before"""


def each(name: str, happen: Callable[[str, Day], None], **right: Any) -> list[Event]:
    return [Event(name.format(service), partial(happen, service), **right) for service in SERVICES]


def of_a_day(sentinel: bool) -> list[Event]:
    return [
        Event("installed", install, recovered=10),
        *each("{} upgraded", upgrade),
        Event("rolled back", roll_back),
        *each("{}: two more pods, and back", scale),
        Event("upgraded to tags that are nowhere, rolled back", upgrade_to_nowhere),
        *each("{} evicted", evict, silence=BACK),
        Event("Redis evicted", evict_redis, away=True, silence=BACK, recovered=10, told=["redis_up 0"]),
        Event("/ws and /sse without a gateway", no_gateway, away=True, silence=BACK,
              told=["/ws: 503, Retry-After 5", "/sse: 503, Retry-After 5", "1012"]),
        Event("api killed", partial(kill, "api")),
        Event("worker killed", partial(kill, "worker"), silence=START + 3 * LEASE, recovered=LEASE,
              told=["worker_deaths", "a worker was lost", "the previous worker stopped"]),
        Event("gateway killed", partial(kill, "gateway"), silence=START + BACK, told=["1006"]),
        Event("Redis killed", kill_redis, away=True, silence=BACK, recovered=10),
        *([Event("Redis failed over by hand", fail_over, away=True, silence=BACK, recovered=15,
                 costs=UNKNOWN)] if sentinel else []),
        Event("Redis full, and room again", redis_full, told=["503 redis_full", "api: Redis is full", "jobs_refused"]),
        Event("the bucket away for 60 s", bucket_away, silence=UNANSWERED, recovered=10,
              told=["the bucket can't be reached", "“The bucket can't be reached", "bucket_up 0"]),
        Event("the bucket refuses for 20 s", bucket_refuses, costs="storage_denied", recovered=10,
              told=["the bucket refuses", "no permission to write to its bucket", "bucket_up 0"]),
        Event("Redis away for 60 s", redis_away, away=True, silence=BACK, recovered=5,
              told=["redis_up 0", "gateway_redis_connected 0", "gateway: Redis is away"]),
        Event("the password of Redis rotated", rotate_password, silence=BACK, recovered=10),
        Event("ticket keys rotated", rotate_ticket_keys, silence=BACK),
        Event("node drained, and back", drain, away=True, silence=BACK, recovered=10),
        # Where nothing waits, no download moves until what ran has lost its leases, a lease after Redis is back.
        Event("workers start while Redis is away", workers_start_without_redis, away=True, silence=3 * LEASE,
              recovered=2 * LEASE, told=["worker: not ready yet", "restarts of workers: 0"]),
        Event("Redis backed up and restored", back_up_and_restore, away=True, silence=3 * LEASE, recovered=LEASE,
              costs=UNKNOWN),
        # No api was left to tell that Redis was away: whether one is back before Redis is chance.
        # A server that Sentinels promote may lack what the old primary accepted in its last seconds.
        Event("all killed at once", kill_all, away=True, silence=3 * LEASE, recovered=10, told=["worker_deaths"],
              costs=UNKNOWN if sentinel else ""),
    ]  # fmt: skip


def install(day: Day) -> None:
    day.release.install()
