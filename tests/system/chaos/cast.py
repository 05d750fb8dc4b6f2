"""All that runs: three workers, two gateways, an api, a Redis that puts everything on disk, an origin, and two owners'
receivers.
"""

import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.access import KeysFile, bearer
from support.origin.server import Origin
from support.product import Product
from support.receiver import OTHER_SECRET, SECRET
from support.services import Worker, variables
from system.chaos.bucket import ChaosBucket, chaos_bucket
from system.chaos.receiver import FaultyReceiver

WORKERS, GATEWAYS, LEASE = 3, 2, 2.0
SETTINGS = {"lease": str(LEASE), "grace": "1", "worker_slots": "4", "stall_seconds": "20"}


@dataclass(frozen=True)
class Owner:
    """Whose jobs they are: a key, a secret and a receiver of its own."""

    name: str
    headers: dict[str, str]
    """with its key"""
    receiver: FaultyReceiver
    has_usual_url: bool
    """whether its jobs are told of where their requests say nothing of a webhook"""


class Cast(Product):
    """What the monkey may hurt, and what the people use."""

    def __init__(
        self, home: Path, origin: Origin, owners: Sequence[Owner], keys_file: KeysFile, bucket: ChaosBucket
    ) -> None:
        told = {**variables({**keys_file.settings(), "webhook_http": "true"}), **bucket.environment}
        super().__init__(home, *[SETTINGS] * WORKERS, environment=told, gateways=GATEWAYS)
        self.origin, self.owners, self.bucket = origin, owners, bucket
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


def declare_owners(keys_file: KeysFile, receivers: Sequence[FaultyReceiver]) -> list[Owner]:
    """Those in the keys file. The first one has a URL for all its jobs, the other one names it in each request."""
    owners: list[Owner] = []
    for name, receiver in zip(("team-a", "team-b"), receivers, strict=True):
        url = "" if owners else f'url = "{receiver.url}"\n'
        headers = bearer(keys_file.add(name))
        table = f'[owners.{name}.webhook]\nsecrets = ["{receiver.secret}"]\n{url}'
        keys_file.path.write_text(keys_file.path.read_text() + table)
        owners.append(Owner(name, headers, receiver, bool(url)))
    return owners


@contextmanager
def cast(rng: random.Random, bucket: str) -> Iterator[Cast]:
    """Running, with a bucket of that kind. It is stopped by whoever looks at what is left."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="vidferry-chaos-")))
        receivers = [
            stack.enter_context(FaultyReceiver(secret, random.Random(rng.getrandbits(64))))
            for secret in (SECRET, OTHER_SECRET)
        ]
        keys_file = KeysFile(home / "keys.toml")
        owners = declare_owners(keys_file, receivers)
        origin = stack.enter_context(Origin())
        given = stack.enter_context(chaos_bucket(bucket, home / "bucket"))
        yield stack.enter_context(Cast(home, origin, owners, keys_file, given))
