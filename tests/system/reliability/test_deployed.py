"""SIGTERM, as a deploy sends it: what runs has its grace, and what is left goes over to another worker."""

import signal

import pytest

from support.origin.site import Site
from system.reliability.proxied import ProxiedProduct


@pytest.mark.xdist_group("life")
def test_a_worker_leaves_and_another_goes_on(service: ProxiedProduct, site: Site) -> None:
    earlier = service.objects()
    leaving = service.worker_named("leaving", grace="4")
    other = service.worker_named("other", takes=False)
    quick, slow = (service.begin(site.url(f"/gated/{name}/clip.mp4?x={name}")) for name in ("quick", "slow"))
    for name in ("quick", "slow"):
        site.gate(name).wait_held()
    slow.until(lambda data: data["progress"] >= 20)

    leaving.signal(signal.SIGTERM)
    leaving.wait_for("worker takes no new downloads")
    later = service.begin(site.url("/media/clip.mp4"))
    site.gate("quick").open()
    assert service.check_ended(quick)["attempt"] == 1, "its grace was enough"
    assert leaving.wait() == 0
    given_back = slow.until(lambda data: data["status"] == "queued" and data["attempt"] == 1)
    assert (given_back["retries"], given_back["retry_at"], given_back["message"]) == (0, None, "Waiting for a worker")
    assert [data["status"] for data in later.data] == ["queued"], "nothing new was taken"
    assert not leaving.left()
    waiting = {service.backstage.download_id(each.job_id): each for each in (slow, later)}
    numbers = {slow: 2, later: 1}
    assert service.keys("arq:*") == sorted(
        ["arq:queue", *(f"arq:job:{id_}:{numbers[each]}" for id_, each in waiting.items())]
    )

    other.picks.open()
    site.gate("slow").open()
    last = service.check_ended(slow)
    assert (last["attempt"], last["retries"]) == (2, 0)
    assert service.check_ended(later)["attempt"] == 1
    assert len(service.objects()) == len(earlier) + 3
    assert service.keys("arq:*") == []
