"""Redis goes away and comes back: whoever waits goes on waiting, what runs goes on running, once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import httpx2
import pytest

from api.answers import problem
from life.service import LEASE, Service
from life.watching import Watcher, eventually
from support.origin.site import Site
from support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.xdist_group("life-outages")
ALL_STEPS = {5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100}


@pytest.fixture(scope="module")
def shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def running(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With one worker; each test leaves it as it was."""
    with Service(shared_redis, tmp_path_factory.mktemp("outages")).running() as found:
        found.worker("worker")
        yield found


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


def last_for(seconds: float, since: float) -> None:
    """An outage is as long as it is: nothing is waited for here."""
    time.sleep(max(0.0, since + seconds - time.monotonic()))


@pytest.mark.parametrize("outage", [killed, frozen])
def test_longer_than_a_lease(
    outage: Callable[[RedisServer], AbstractContextManager[None]], running: Service, site: Site
) -> None:
    watcher = running.run(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    waiting = running.run(site.url("/gated/h/clip.mp4"))
    site.gate("h").wait_held()

    with outage(running.redis):
        since = time.monotonic()
        site.gate("g").open()
        problem(running.client.post("/api/download", json={"url": site.url("/")}), 503, "redis_unavailable")
        problem(running.client.get(f"/api/jobs/{watcher.job_id}"), 503, "redis_unavailable")
        assert running.client.get("/readyz").status_code == 200
        newcomer = Watcher(running.gateway.uri(watcher.job_id))
        newcomer.read()
        assert (newcomer.data, newcomer.close_code) == ([], 1013)
        site.settled("/gated/g/clip.mp4")  # the worker took all of it meanwhile
        last_for(2 * LEASE, since)
        assert watcher.close_code is waiting.close_code is None

    last = running.check_ended(watcher)
    assert last["attempt"] == 1, "nothing was reaped"
    assert watcher.steps(1) >= ALL_STEPS
    site.gate("h").open()
    assert running.check_ended(waiting)["attempt"] == 1


def test_killed_again_and_again_amid_writes(running: Service, site: Site) -> None:
    accepted: list[str] = []
    urls = [site.url(f"/mutable/{number}/clip.mp4") for number in range(10)]
    before = len(running.objects())

    def post_all() -> None:
        with httpx2.Client(base_url=running.api.url, timeout=60) as client:
            for url in urls:
                key = {"Idempotency-Key": str(uuid4())}
                while (answer := client.post("/api/download", json={"url": url}, headers=key)).status_code == 503:
                    pass
                accepted.append(answer.json()["job_id"])

    poster = threading.Thread(target=post_all)
    poster.start()
    for count in (2, 5, 8):
        eventually(lambda wanted=count: len(accepted) >= wanted)  # type: ignore[misc]
        running.redis.restart()
    poster.join()
    assert len(set(accepted)) == len(urls)
    for job_id in accepted:
        assert running.check_ended(running.watch(job_id))["attempt"] == 1
    assert len(running.objects()) == before + len(urls)
    for url in urls:
        taken = [one for one in site.settled(url.removeprefix(site.base)) if one.sent == one.length]
        assert len(taken) == 1, "fetched once"


def test_a_worker_started_after_it_reaps_nothing_that_may_live(service: Service, site: Site) -> None:
    """The other one stands still over the outage, and its lease ends; then it wakes up."""
    lease = 6.0
    worker = service.worker("first", lease=str(lease))
    watcher = service.run(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    worker.freeze()
    service.redis.kill()
    last_for(lease, time.monotonic())
    service.redis.start()

    fresh = service.worker("second", lease=str(lease))
    assert service.lease_of(watcher) < 0
    worker.thaw()
    eventually(lambda: service.lease_of(watcher) > 0)
    site.gate("g").open()

    assert service.check_ended(watcher)["attempt"] == 1
    assert not fresh.process.logged("a worker was lost")
