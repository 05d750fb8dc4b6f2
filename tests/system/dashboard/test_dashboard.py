"""Every query of the dashboard, asked of a real Prometheus that scrapes the real services while they work.

Not a part of `make test`, since it brings a Prometheus: `make test-dashboard`. No Grafana has drawn the panels.
"""

import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.dashboards import load, queries
from support.origin.site import Site
from support.product import Product
from support.redis_server import redis_server
from system.dashboard.server import Prometheus, program, prometheus

pytestmark = pytest.mark.dashboard

BOARD = load("progress-and-latency.json")
SECONDS = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prometheus")


@pytest.fixture(scope="module")
def product(folder: Path) -> Iterator[Product]:
    with (
        redis_server("--maxmemory", "256mb") as server,
        Product(folder, {"retries": "1"}, redis=server, admin=True) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def server(folder: Path, product: Product) -> Iterator[Prometheus]:
    ports = dict(zip(("api", "worker", "gateway"), (admin.port for admin in product.admins), strict=True))
    with prometheus(folder, ports) as found:
        yield found


def gives(server: Prometheus, expression: str) -> bool:
    return any(math.isfinite(float(series["value"][1])) for series in server.query(expression))


def test_every_panel_has_data(server: Prometheus, product: Product, site: Site) -> None:
    for number in range(2):
        product.run(site.url("/media/clip.mp4"))
        product.run(site.url("/status/404"))
        product.run(site.url("/status/500"))
        httpx2.get(f"{product.api.url}/nothing")
        waiting = product.post(site.url(f"/gated/{number}/clip.mp4"))
        with product.follow(waiting) as watcher:
            watcher.reached("downloading")
        site.gate(str(number)).open()
        product.watch(waiting)
    silent = dict(queries(BOARD))
    assert len(silent) > 30
    deadline = time.monotonic() + SECONDS
    while silent := {title: query for title, query in silent.items() if not gives(server, query)}:
        assert time.monotonic() < deadline, silent
        time.sleep(0.5)


def test_prometheus_finds_nothing_to_blame_in_what_it_reads(product: Product) -> None:
    for admin in product.admins:
        found = subprocess.run(
            [program("promtool"), "check", "metrics"], input=admin.get("/metrics").text,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (found.returncode, found.stdout + found.stderr) == (0, "")
