"""Redis goes away and comes back: whoever waits goes on waiting, what runs goes on running, once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import httpx2
import pytest

from support.answers import problem
from support.origin.site import Site
from support.product import wait_until
from support.redis_server import RedisServer
from support.watchers import Watcher
from system.reliability.proxied import LEASE, ProxiedProduct

pytestmark = pytest.mark.xdist_group("life")
ALL_STEPS = {5, 10, 20, 35, 50, 65, 80, 85, 90, 92, 98, 100}


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
    outage: Callable[[RedisServer], AbstractContextManager[None]], staffed: ProxiedProduct, site: Site
) -> None:
    watcher = staffed.begin(site.url("/gated/g/clip.mp4"))
    site.gate("g").wait_held()
    watcher.until(lambda data: data["progress"] >= 20)
    waiting = staffed.begin(site.url("/gated/h/clip.mp4"))
    site.gate("h").wait_held()

    with outage(staffed.redis):
        since = time.monotonic()
        site.gate("g").open()
        problem(staffed.client.post("/api/download", json={"url": site.url("/")}), 503, "redis_unavailable")
        problem(staffed.client.get(f"/api/jobs/{watcher.job_id}"), 503, "redis_unavailable")
        assert staffed.client.get("/readyz").status_code == 200
        newcomer = Watcher(staffed.gateway.uri(watcher.job_id)).closed()
        assert (newcomer.data, newcomer.close_code) == ([], 1013)
        site.settled("/gated/g/clip.mp4")  # the worker took all of it meanwhile
        last_for(2 * LEASE, since)
        assert watcher.close_code is waiting.close_code is None

    last = staffed.check_ended(watcher)
    assert last["attempt"] == 1, "nothing was reaped"
    assert watcher.progress_of(1) >= ALL_STEPS
    site.gate("h").open()
    assert staffed.check_ended(waiting)["attempt"] == 1


def test_killed_again_and_again_amid_writes(staffed: ProxiedProduct, site: Site) -> None:
    accepted: list[str] = []
    urls = [site.url(f"/mutable/{number}/clip.mp4") for number in range(10)]
    before = len(staffed.objects())

    def post_all() -> None:
        with httpx2.Client(base_url=staffed.api.url, timeout=60) as client:
            for url in urls:
                key = {"Idempotency-Key": str(uuid4())}
                while (answer := client.post("/api/download", json={"url": url}, headers=key)).status_code == 503:
                    pass
                accepted.append(answer.json()["job_id"])

    poster = threading.Thread(target=post_all)
    poster.start()
    for count in (2, 5, 8):
        wait_until(lambda wanted=count: len(accepted) >= wanted)  # type: ignore[misc]
        staffed.redis.restart()
    poster.join()
    assert len(set(accepted)) == len(urls)
    for job_id in accepted:
        assert staffed.check_ended(staffed.follow(job_id))["attempt"] == 1
    assert len(staffed.objects()) == before + len(urls)
    for url in urls:
        taken = [one for one in site.settled(url.removeprefix(site.base)) if one.sent == one.length]
        assert len(taken) == 1, "fetched once"
