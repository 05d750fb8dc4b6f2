"""The last release and the tree, on one Redis and one bucket."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from support.product import Product, wait_until
from support.receiver import SECRET
from support.redis_server import redis_server
from support.services import Worker, variables
from support.watchers import Data, Watcher
from system.update.release import ENVIRONMENT, RELEASE, UNKNOWN
from vidferry_common.contract import keys

OWN = {"ws_url", "events_url"}
"""What an api says of the host that it was asked at."""
UNKNOWN_OF_ERRORS = {"site", "yt_dlp_version"}
"""What the release does not know of an error."""


@dataclass
class Pair:
    """Two products side by side. What `one` begins, `other` takes part in."""

    one: Product
    other: Product

    @property
    def both(self) -> tuple[Product, Product]:
        return self.one, self.other

    def follow(self, job_id: str) -> list[Watcher]:
        """Watches a job through both gateways."""
        return [product.follow(job_id) for product in self.both]

    def check_ended(self, watchers: list[Watcher], status: str = "completed") -> Data:
        """Both gateways told of the same one end, and both apis tell it as well; they lead to the same file."""
        last, same = (watcher.end() for watcher in watchers)
        assert last == same
        assert last["status"] == status, last
        documents = [product.job(last["job_id"]) for product in self.both]
        shown, also_shown = (known_of(each) for each in documents)
        assert shown == also_shown
        assert {name: shown[name] for name in ("seq", "attempt", "status")} == {
            name: last[name] for name in ("seq", "attempt", "status")
        }
        if status == "completed":
            for product in self.both:
                file = product.client.get(f"/api/jobs/{last['job_id']}/file", follow_redirects=True)
                assert (file.status_code, len(file.content)) == (200, last["result"]["size"])
        # The release knows no index; whoever asks for the open jobs drops those that it has ended.
        for product in self.both:
            product.client.get("/api/jobs?status=queued,processing")
        wait_until(lambda: not self._keys_left(), lambda: f"left in Redis: {self._keys_left()}")
        return last

    def _keys_left(self) -> list[str]:
        """Without the turns of callers, which the release does not know: they expire after a day."""
        return [key for key in self.one.keys_left() if not key.endswith(keys.TURN)]


def known_of(document: Data) -> Data:
    """What both apis show of a job."""
    error = document.get("error")
    known = {name: value for name, value in error.items() if name not in UNKNOWN_OF_ERRORS} if error else None
    return {name: document[name] for name in document.keys() - OWN - UNKNOWN} | {"error": known}


def start_worker(product: Product, **settings: str) -> Worker:
    return product.start_worker(**{"worker_name": uuid4().hex, "lease": "2", "grace": "0", **settings})


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The release, and the tree; without workers."""
    home = tmp_path_factory.mktemp("update")
    with (
        redis_server() as redis,
        Product(home, redis=redis, python=RELEASE.install(), environment=ENVIRONMENT) as release,
        Product(home, redis=redis, environment=variables({"webhook_secrets": SECRET, "webhook_http": "true"})) as tree,
    ):
        yield Pair(release, tree)


@pytest.fixture(params=["release first", "tree first"])
def pair(request: pytest.FixtureRequest, running: Pair) -> Iterator[Pair]:
    """Both ways. Workers that a test starts are gone afterwards."""
    with running.one.crew(), running.other.crew():
        yield running if request.param == "release first" else Pair(running.other, running.one)
