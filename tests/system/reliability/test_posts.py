"""The connection of the api is cut at the very script of a POST: the job runs exactly once all the same."""

from uuid import uuid4

import pytest

from support.answers import VIDEO, problem
from support.origin.site import Site
from system.reliability.proxied import ProxiedProduct

pytestmark = pytest.mark.xdist_group("life")

TRIES = 4
"""of one request, at most: the first and those of the client library"""


@pytest.fixture(scope="module")
def service(staffed: ProxiedProduct) -> ProxiedProduct:
    staffed.cancel(staffed.post(VIDEO))  # from here on Redis knows the scripts by their digests
    return staffed


@pytest.mark.parametrize("times", [1, TRIES])
@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
def test_cut_at_its_script(after: bool, times: int, service: ProxiedProduct, site: Site) -> None:
    url, key = site.url("/media/clip.mp4"), {"Idempotency-Key": str(uuid4())}
    jobs = jobs_of(service)
    proxy = service.proxy
    cut = proxy.cut_connections
    proxy.cut("create", after=after, times=times)

    answer = service.client.post("/api/download", json={"url": url}, headers=key)
    if times == TRIES:  # then it is for the caller to try again
        problem(answer, 503, "redis_unavailable")
        answer = service.client.post("/api/download", json={"url": url}, headers=key)

    assert proxy.cut_connections == cut + times
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    last = service.check_ended(service.follow(job_id))
    assert (last["attempt"], last["result"]["reused"]) == (1, False)
    assert jobs_of(service) - jobs == {job_id}
    assert len([one for one in site.settled() if one.sent == one.length]) == 1, "fetched once"
    assert service.keys("arq:*") == []


def jobs_of(service: ProxiedProduct) -> set[str]:
    return {name.split(":")[2] for name in service.keys("vidferry:job:*")}
