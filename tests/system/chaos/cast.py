"""All that runs: three workers, two gateways, an api, a Redis that puts everything on disk, and an origin."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from support.api_process import ApiProcess
from support.gateway_process import GatewayProcess
from support.origin.server import Origin
from support.redis_server import RedisServer, redis_server
from support.worker_process import WorkerProcess

WORKERS, GATEWAYS, LEASE = 3, 2, 2.0


@dataclass
class Cast:
    """What the monkey may hurt, and what the people use."""

    home: Path
    redis: RedisServer
    origin: Origin
    api: ApiProcess
    workers: list[WorkerProcess] = field(default_factory=list)
    gateways: list[GatewayProcess] = field(default_factory=list)
    gone: list[WorkerProcess] = field(default_factory=list)
    """workers of before, for what they logged"""

    def start_worker(self, place: int) -> None:
        """A new one in that place; the one before has ended."""
        worker = WorkerProcess(
            self.redis, self.home, lease=str(LEASE), grace="1", log_level="info", worker_slots="4",
            worker_name=f"worker-{place}-{len(self.gone)}", stall_seconds="20",
        )  # fmt: skip
        if place == len(self.workers):
            self.workers.append(worker)
        else:
            self.gone.append(self.workers[place])
            self.workers[place] = worker
        worker.start()

    def start_gateway(self, place: int) -> None:
        gateway = GatewayProcess(self.redis.url, log_level="info").start()
        if place == len(self.gateways):
            self.gateways.append(gateway)
        else:
            self.gateways[place] = gateway

    def end_worker(self, place: int, number: signal.Signals) -> None:
        """By that signal; returns when it has ended."""
        worker = self.workers[place]
        worker.signal(signal.SIGCONT)
        worker.signal(number)
        worker.wait()

    def end_gateway(self, place: int, number: signal.Signals) -> None:
        gateway = self.gateways[place]
        gateway.process.send_signal(number)
        gateway.wait()

    def kill_api(self) -> None:
        assert self.api.process is not None
        self.api.process.kill()
        self.api.process.wait()

    def close(self) -> None:
        """Everything but Redis and the origin ends as an orchestrator would have it."""
        for place in range(len(self.workers)):
            self.end_worker(place, signal.SIGTERM)
        for place in range(len(self.gateways)):
            self.end_gateway(place, signal.SIGTERM)
        self.api.close()


@contextmanager
def cast() -> Iterator[Cast]:
    """Running. It is closed by whoever looks at what is left."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="vidferry-chaos-")))
        redis = stack.enter_context(redis_server())
        origin = stack.enter_context(Origin())
        (home / "bucket").mkdir()
        api = ApiProcess(redis.url, home / "bucket", log_level="warning").start()
        all_of_it = Cast(home, redis, origin, api)
        for place in range(WORKERS):
            all_of_it.start_worker(place)
        for place in range(GATEWAYS):
            all_of_it.start_gateway(place)
        yield all_of_it
