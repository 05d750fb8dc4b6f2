"""All that runs: three workers, two gateways, an api, a Redis that puts everything on disk, and an origin."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from support.origin.server import Origin
from support.product import Product
from support.services import Worker

WORKERS, GATEWAYS, LEASE = 3, 2, 2.0
SETTINGS = {"lease": str(LEASE), "grace": "1", "worker_slots": "4", "stall_seconds": "20"}


class Cast(Product):
    """What the monkey may hurt, and what the people use."""

    def __init__(self, home: Path, origin: Origin) -> None:
        super().__init__(home, *[SETTINGS] * WORKERS, gateways=GATEWAYS)
        self.origin = origin
        self.gone: list[Worker] = []
        """workers of before, for what they logged"""

    def replace_worker(self, place: int, number: signal.Signals) -> None:
        """Ends one by that signal, and starts another in its place."""
        self.end_worker(place, number)
        self.gone.append(self.workers[place])
        self.start_worker(**SETTINGS, worker_name=f"worker-{place}-{len(self.gone)}")
        self.workers[place] = self.workers.pop()

    def replace_gateway(self, place: int, number: signal.Signals) -> None:
        self.gateways[place].stop(number)
        self.start_gateway()
        self.gateways[place] = self.gateways.pop()

    def end_worker(self, place: int, number: signal.Signals) -> None:
        """By that signal; returns when it has ended."""
        self.workers[place].signal(signal.SIGCONT)
        self.workers[place].stop(number)

    def stop(self) -> None:
        """Everything but Redis and the origin ends as an orchestrator would have it."""
        for place in range(len(self.workers)):
            self.end_worker(place, signal.SIGTERM)
        for gateway in self.gateways:
            gateway.stop()
        self.api.stop()


@contextmanager
def cast() -> Iterator[Cast]:
    """Running. It is stopped by whoever looks at what is left."""
    with TemporaryDirectory(prefix="vidferry-chaos-") as home, Origin() as origin, Cast(Path(home), origin) as running:
        yield running
