"""Faults of a release, made for real: the right alerts of the chart fire and no others, and they end with the fault."""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from support.alerts import groups
from system.cluster import kube, load
from system.cluster.around import ORIGIN, prometheus, query, secret
from system.cluster.client import Client
from system.cluster.conftest import Standing, keep_logs
from system.cluster.events import SIGNAL, kill_process
from system.cluster.origin import Corner
from system.cluster.redis_servers import BUNDLED
from system.cluster.release import Release, pod, settled
from system.cluster.settings import AROUND, NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
QUICKER = 10
"""by what all windows and delays of the rules are shortened"""
SITE_ATTEMPTS = 5
"""the fewest that say something about a site"""
HOLD_SECONDS = 45
"""for which a fault goes on when its alerts fire: longer than most others' delays"""
FIRE_SECONDS = 300
POD = "alerts"
"""a Prometheus that knows nothing of what other tests did"""
DURATION = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Job = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    name: str
    fires: set[str]
    """its own alert, and those of its consequences"""
    happens: Callable[[Client], AbstractContextManager[Job]]
    """gives a job that completes in the end, and is over with the context"""
    hold: float = HOLD_SECONDS


@contextmanager
def redis_killed(client: Client) -> Iterator[Job]:
    """And not started again. A download goes on meanwhile."""
    job = client.post(load.address(3 * HOLD_SECONDS))
    kube.until_nothing(lambda: [] if client.job(job)["downloaded_bytes"] else [job])
    try:
        kill_process(BUNDLED.namespace, BUNDLED.primary)
        BUNDLED.stop()
        yield job
    finally:
        BUNDLED.start()


@contextmanager
def bucket_refuses(client: Client) -> Iterator[Job]:
    """The first download fails, the second waits."""
    kube.python(AROUND, "bucket", SIGNAL.format("SIGUSR1"))
    try:
        assert client.run(load.address(1)).data[-1]["error"]["code"] == "storage_denied"
        yield client.post(load.address(1))
    finally:
        kube.python(AROUND, "bucket", SIGNAL.format("SIGUSR2"))


@contextmanager
def site_fails(client: Client) -> Iterator[Job]:
    """For everyone who asks for it, while another site answers. Later it answers again."""
    elsewhere = Corner(f"http://{kube.get(AROUND, 'pod', 'origin')['status']['podIP']}:8000")
    failed = [client.run(f"{ORIGIN}/u/failing/status/500?{number}") for number in range(SITE_ATTEMPTS)]
    assert {watched.data[-1]["error"]["code"] for watched in failed} == {"origin_error"}
    yield client.post(elsewhere.url("/media/clip.mp4"))
    jobs = [client.post(load.address(1)) for _ in range(SITE_ATTEMPTS)]
    assert {end["status"] for end in client.ended(jobs)} == {"completed"}


@contextmanager
def worker_cannot_start(client: Client) -> Iterator[Job]:
    """Its Secret is gone, which is noticed when its pod is replaced."""
    name = "bucket-key"
    kept = kube.get(NAMESPACE, "secret", name)["data"]
    kube.kubectl("-n", NAMESPACE, "delete", "secret", name)
    try:
        kube.kubectl("-n", NAMESPACE, "delete", "pod", pod("worker"))
        yield client.post(load.address(1))
    finally:
        kube.apply(secret(NAMESPACE, name, {file: b64decode(text) for file, text in kept.items()}))
        kube.kubectl("-n", NAMESPACE, "delete", "pod", pod("worker"))  # else the kubelet looks again after minutes


FAULTS = (
    Fault("Redis is killed", {"VidferryRedisUnavailable"}, redis_killed),
    # longer than a download may be ready before a missing worker is blamed for it
    Fault("the bucket refuses", {"VidferryBucketUnavailable"}, bucket_refuses, hold=180),
    Fault("a site fails", {"VidferrySiteFails"}, site_fails),
    Fault("a worker can't start", {"VidferryNoWorkerTakesWork", "VidferryTargetMissing"}, worker_cannot_start),
)


def shortened(text: str) -> str:
    """A duration, or an expression's windows."""
    return DURATION.sub(lambda found: f"{int(found[1]) * SECONDS[found[2]] // QUICKER}s", text)


def rules() -> str:
    """The chart's, as Prometheus reads them from a file."""
    found = groups(NAMESPACE, siteAttempts=SITE_ATTEMPTS)
    for rule in (rule for group in found for rule in group["rules"]):
        rule["expr"] = re.sub(r"\[\w+\]", lambda window: shortened(window[0]), rule["expr"])
        if "for" in rule:
            rule["for"] = shortened(rule["for"])
    return yaml.safe_dump({"groups": found})


def firing(seconds: float = 0) -> set[str]:
    """The names of the alerts that fire; or that have fired within so many seconds."""
    alerts = 'ALERTS{alertstate="firing"}'
    over = f"present_over_time({alerts}[{seconds:.0f}s])" if seconds else alerts
    return {series["metric"]["alertname"] for series in query(f"group by (alertname) ({over})", POD)}


@pytest.fixture(scope="module")
def client(standing: Standing) -> Iterator[Client]:
    """Of a release that a Prometheus with the rules reads."""
    before, release = kube.everything(NAMESPACE), Release(standing.around)
    try:
        release.install()
        standing.client.routed()
        kube.apply(*prometheus(POD, rules=rules()))
        kube.kubectl("-n", AROUND, "wait", "--for=condition=Ready", f"pod/{POD}", f"--timeout={kube.WAIT_SECONDS}s")
        yield standing.client
    finally:
        keep_logs()
        kube.kubectl("-n", AROUND, "delete", f"pod/{POD}", f"secret/{POD}", "--ignore-not-found")
        release.uninstall()
        kube.until_nothing(lambda: kube.everything(NAMESPACE) - before)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
def test_a_fault_fires_its_alerts_and_no_others(client: Client, fault: Fault) -> None:
    kube.until_nothing(lambda: {"api", "worker", "gateway"} - components())
    kube.until_nothing(firing)
    begun = time.monotonic()
    with fault.happens(client) as job:
        kube.until_nothing(lambda: fault.fires - firing(), FIRE_SECONDS)
        fired = time.monotonic() - begun
        time.sleep(fault.hold)  # nothing tells that nothing is about to happen
        assert firing() == fault.fires
    over = time.monotonic()
    kube.until_nothing(firing)
    settled("worker")
    now = time.monotonic()
    fires = ", ".join(sorted(fault.fires))
    print(f"\n{fault.name}: {fires} after {fired:.0f} s, none {now - over:.0f} s after its end")
    assert firing(now - begun) == fault.fires
    assert client.watch(job).data[-1]["status"] == "completed"


def components() -> set[str]:
    """The services that Prometheus reads."""
    return {series["metric"]["component"] for series in query("vidferry_build_info", POD)}
