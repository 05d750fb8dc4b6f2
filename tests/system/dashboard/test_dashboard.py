"""Every query of the dashboards and alerts, asked of a real Prometheus that scrapes the real services while they work.

Not a part of `make test`, since it brings a Prometheus: `make test-dashboard`. No Grafana has drawn the panels.
"""

import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.alerts import groups, write_rules
from support.dashboards import load_all, panels, queries
from support.origin.site import Site
from support.otlp_receiver import OtlpReceiver
from support.product import Product
from support.redis_server import redis_server
from system.dashboard.server import Prometheus, program, prometheus

pytestmark = [pytest.mark.dashboard, pytest.mark.xdist_group("dashboard"), pytest.mark.timeout(400)]

SECONDS = 120.0
NOT_HERE = ("vidferry_bundle_published_timestamp_seconds",)
"""absent where no bundle is published"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prometheus")


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def product(folder: Path, collector: OtlpReceiver) -> Iterator[Product]:
    with (
        redis_server("--maxmemory", "256mb") as server,
        Product(folder, {"retries": "1"}, redis=server, environment=collector.environment, admin=True) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def server(folder: Path, product: Product) -> Iterator[Prometheus]:
    ports = dict(zip(("api", "worker", "gateway"), (admin.port for admin in product.admins), strict=True))
    with prometheus(folder, ports, write_rules(folder)) as found:
        yield found


def gives(server: Prometheus, expression: str) -> bool:
    return any(math.isfinite(float(series["value"][1])) for series in server.query(expression))


def test_every_query_has_data(server: Prometheus, product: Product, site: Site) -> None:
    for number in range(2):
        product.run(site.url("/media/clip.mp4"))
        product.run(site.url("/status/404"))
        product.run(site.url("/media/clip.mp4").replace("127.0.0.1", "localhost"))  # a site with a name
        product.run(site.url("/status/500"))
        httpx2.get(f"{product.api.url}/nothing")
        product.client.post("/api/probes", json={"url": site.url(f"/{number}/clip.mp4")})
        waiting = product.post(site.url(f"/gated/{number}/clip.mp4"))
        with product.follow(waiting) as watcher:
            watcher.reached("downloading")
        site.gate(str(number)).open()
        product.watch(waiting)
    silent = {f"{name}: {title}": query for name, board in load_all().items() for title, query in queries(board)} | {
        f"alerts: {selector}": selector for selector in selectors()
    }
    silent = {title: query for title, query in silent.items() if not any(each in query for each in NOT_HERE)}
    assert len(silent) > 90
    deadline = time.monotonic() + SECONDS
    while silent := {title: query for title, query in silent.items() if not gives(server, query)}:
        assert time.monotonic() < deadline, silent
        time.sleep(0.5)


def test_latencies_lead_to_traces_that_the_collector_has(server: Prometheus, collector: OtlpReceiver) -> None:
    """After the load above. Prometheus has asked for OpenMetrics by itself."""
    boards = load_all().values()
    asked = {query for board in boards for title, query in queries(board) if title in with_exemplars(board)}
    assert len(asked) > 10
    deadline = time.monotonic() + SECONDS
    while silent := [query for query in asked if not server.exemplars(query)]:
        assert time.monotonic() < deadline, silent
        time.sleep(0.5)
    named = {each["labels"]["trace_id"] for query in asked for each in server.exemplars(query)}
    collector.wait_for(lambda spans: named <= {span.trace for span in spans})


def with_exemplars(board: dict[str, Any]) -> set[str]:
    """The titles of the queries for which Grafana asks for exemplars too."""
    targets = ((panel["title"], target) for panel in panels(board) for target in panel["targets"])
    return {f"{title} {target['refId']}" for title, target in targets if target.get("exemplar")}


def selectors() -> set[str]:
    """All that alerts and recording rules select, without the windows."""
    expressions = [rule["expr"] for group in groups() for rule in group["rules"]]
    found = {each for expression in expressions for each in re.findall(r"[\w:]+\{[^}]*\}", expression)}
    assert len(found) > 40
    return {each for each in found if not each.startswith("vidferry:")}


def test_the_rules_are_evaluated_and_no_alert_fires(server: Prometheus) -> None:
    deadline = time.monotonic() + SECONDS
    while any(rule["health"] == "unknown" for rule in server.rules()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert {rule["name"]: rule.get("lastError", "") for rule in server.rules() if rule["health"] != "ok"} == {}
    assert server.alerts() == []


def test_prometheus_finds_nothing_to_blame_in_what_it_reads(product: Product) -> None:
    for admin in product.admins:
        found = subprocess.run(
            [program("promtool"), "check", "metrics"], input=admin.get("/metrics").text,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (found.returncode, found.stdout + found.stderr) == (0, "")
