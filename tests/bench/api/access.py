"""What a request costs the api by how access is checked: CPU time of the process and time of the request.

The apis run side by side and are asked in turns, so that a busy machine treats them alike.
"""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from support.access import KeysFile, bearer
from support.oidc_issuer import OidcIssuer
from support.redis_server import redis_server
from support.services import Api

ROUNDS = 40
"""short ones: what else the machine does changes from second to second"""


class Asked:
    """An api that is asked, and the headers with which it is."""

    def __init__(self, api: Api, headers: Mapping[str, str]) -> None:
        self.api = api
        self.client = httpx2.Client(base_url=api.url, headers=dict(headers), verify=False)
        self._number = 0
        self.job = self.post()
        self.costs: dict[str, list[tuple[float, float]]] = {"GET": [], "POST": []}

    def post(self) -> str:
        self._number += 1
        answer = self.client.post("/api/download", json={"url": f"https://example.com/{self.api.port}/{self._number}"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["status_url"])

    def get(self) -> None:
        assert self.client.get(self.job).status_code == 200

    def measure(self, method: str, count: int) -> None:
        """CPU and time of a request, both in milliseconds."""
        ask = self.get if method == "GET" else self.post
        cpu, begun = self._cpu(), time.perf_counter()
        for _ in range(count):
            ask()
        seconds = time.perf_counter() - begun
        self.costs[method].append((1000 * (self._cpu() - cpu) / count, 1000 * seconds / count))

    def _cpu(self) -> float:
        """Seconds of all threads, to the nanosecond."""
        threads = Path(f"/proc/{self.api.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def asked(before: Mapping[str, str] | None) -> Iterator[dict[str, Asked]]:
    """The apis by how access is checked. before: the environment of one more, of another release."""
    bounds = {"queue_cap": "1000000", "queue_bytes": str(2**33), "caller_rate": "0"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        redis = stack.enter_context(redis_server())
        issuer = stack.enter_context(OidcIssuer())
        file = KeysFile(folder / "keys.toml")
        for number in range(200):
            file.add(f"other-{number}")
        key = file.add("ci")
        hour = int(time.time()) + 3600
        ways: dict[str, tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str] | None]] = {
            "none": ({}, {}, None),
            "keys": (file.settings(), bearer(key), None),
            "oidc, RS256": (issuer.settings(), bearer(issuer.token("RS256", exp=hour)), None),
            "oidc, ES256": (issuer.settings(), bearer(issuer.token("ES256", exp=hour)), None),
        }
        if before is not None:
            ways = {"before": ({}, {}, before), **ways}
        yield {
            name: Asked(stack.enter_context(Api(redis.url, folder, environment, **bounds, **settings)), headers)
            for name, (settings, headers, environment) in ways.items()
        }


def rows(count: int, before: Mapping[str, str] | None = None) -> list[list[str]]:
    """Medians of the rounds, each of count requests of a kind to each api."""
    with asked(before) as apis:
        for _ in range(ROUNDS):
            for method in ("GET", "POST"):
                for each in apis.values():
                    each.measure(method, count)
        return [[name, *map(_median, _columns(each))] for name, each in apis.items()]


def _columns(each: Asked) -> Iterator[list[float]]:
    for method in ("GET", "POST"):
        for column in (0, 1):
            yield [cost[column] for cost in each.costs[method]]


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}"
