"""What a service's admin port says, read as Prometheus reads it."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from vidferry_common.metrics import Registry

SECONDS = 20.0


@dataclass(frozen=True)
class Scrape:
    """One answer of /metrics."""

    families: dict[str, Metric]

    def value(self, name: str, **labels: str) -> float:
        """Of the one series with exactly these labels; 0 where it is not there."""
        return next((sample.value for sample in self._samples(name) if sample.labels == labels), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """Of all series with at least these labels."""
        return sum(sample.value for sample in self._samples(name) if labels.items() <= sample.labels.items())

    def labels(self, name: str) -> list[dict[str, str]]:
        return [sample.labels for sample in self._samples(name)]

    def _samples(self, name: str) -> list[Sample]:
        return [sample for family in self.families.values() for sample in family.samples if sample.name == name]


@dataclass(frozen=True)
class Admin:
    """A service's admin port."""

    port: int

    def get(self, path: str, timeout: float = SECONDS) -> httpx2.Response:
        # Reading the certificates of authorities takes 30 ms a client, and nothing here is HTTPS.
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=timeout, verify=False)

    def status(self, path: str) -> int:
        """0 where nothing answers."""
        with contextlib.suppress(httpx2.TransportError):
            return self.get(path).status_code
        return 0

    def scrape(self) -> Scrape:
        answer = self.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return _parse(answer.text)

    def until(self, check: Callable[[Scrape], bool]) -> Scrape:
        """The first scrape of which that is true."""
        deadline = time.monotonic() + SECONDS
        while not check(found := self.scrape()):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def wait(self, path: str, status: int) -> None:
        """Until that path answers so."""
        deadline = time.monotonic() + SECONDS
        while (answered := self.status(path)) != status:
            assert time.monotonic() < deadline, answered
            time.sleep(0.02)


async def scrape_registry(registry: Registry) -> Scrape:
    """What a registry of this process says."""
    return _parse((await registry.scrape()).decode())


def _parse(text: str) -> Scrape:
    return Scrape({family.name: family for family in text_string_to_metric_families(text)})
