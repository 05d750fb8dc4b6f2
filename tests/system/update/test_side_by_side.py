"""An update: the last release and the tree run side by side, and each goes on with what the other has begun."""

import signal
from uuid import uuid4

import pytest

from support.origin.server import Origin
from support.origin.site import Site
from support.watchers import STEPS, Watcher
from system.update.conftest import Pair, start_worker

pytestmark = [pytest.mark.update, pytest.mark.timeout(600), pytest.mark.xdist_group("update")]

STORED_STEPS = [5, 10, 30, 50, 70, 90, 100]


def begun(pair: Pair, site: Site) -> list[Watcher]:
    """A job of `one`, watched through both gateways, whose download is held in its middle."""
    watchers = pair.follow(pair.one.post(site.url("/gated/g/clip.mp4")))
    site.gate("g").wait_held()
    for watcher in watchers:
        watcher.reached("downloading", 35)
    return watchers


def test_a_job_of_one_is_run_by_the_other(pair: Pair, site: Site) -> None:
    start_worker(pair.other)
    watchers = begun(pair, site)
    site.gate("g").open()

    assert pair.check_ended(watchers)["attempt"] == 1
    assert [watcher.steps for watcher in watchers] == [STEPS, STEPS]


@pytest.mark.parametrize("cause", [signal.SIGKILL, signal.SIGTERM])
def test_a_download_of_one_is_taken_over_by_the_other(cause: signal.Signals, pair: Pair, site: Site) -> None:
    """When its worker dies, and when it is stopped, as an update does it."""
    worker = start_worker(pair.one)
    watchers = begun(pair, site)
    start_worker(pair.other)
    worker.stop(cause)
    for watcher in watchers:
        watcher.until(lambda data: data["attempt"] == 2 and data["progress"] >= 35)
    site.gate("g").open()

    last = pair.check_ended(watchers)
    assert (last["attempt"], last["retries"]) == (2, 0)
    assert all(watcher.progress_of(2) >= set(STEPS) for watcher in watchers)


def test_a_watcher_of_one_goes_on_at_the_other(pair: Pair, site: Site) -> None:
    start_worker(pair.one)
    before, through = begun(pair, site)
    before.leave()
    after = Watcher(pair.other.gateway.uri(before.job_id, f"?after={before.messages[-1]['cursor']}"))
    assert after.first()["seq"] >= before.last["seq"]
    site.gate("g").open()

    pair.check_ended([through, after])
    assert before.steps + [step for step in after.steps if step not in before.steps] == STEPS
    assert {message["seq"] for message in after.data if message["stage"] != "downloading"}.isdisjoint(
        message["seq"] for message in before.data
    )


def test_one_cancels_what_the_other_runs(pair: Pair, site: Site) -> None:
    worker = start_worker(pair.other)
    watchers = begun(pair, site)
    pair.one.cancel(watchers[0].job_id)

    pair.check_ended(watchers, "cancelled")
    assert site.settled("/gated/g/clip.mp4")[-1].closed_early
    assert not worker.left()


def test_jobs_of_both_share_a_download(pair: Pair, site: Site) -> None:
    start_worker(pair.one)
    watchers = begun(pair, site)
    joined = pair.follow(pair.other.post(site.url("/gated/g/clip.mp4")))
    site.gate("g").open()

    pair.check_ended(watchers)
    pair.check_ended(joined)
    assert [watcher.steps for watcher in joined] == [STEPS, STEPS]
    assert len([one for one in site.settled() if one.sent == one.length]) == 1, "fetched once"


def test_a_video_of_one_is_found_again_by_the_other(pair: Pair, origin: Origin, site: Site) -> None:
    """Of a site with ids of its own, which is not asked again, and of one without."""
    clip = site.url("/media/clip.mp4")
    urls = [f"{origin.address}/Mediasite/Play/{uuid4().hex}?{clip}", clip]
    with pair.one.crew():
        start_worker(pair.one)
        new = [pair.check_ended(pair.follow(pair.one.post(url))) for url in urls]
    start_worker(pair.other)
    for url, stored in zip(urls, new, strict=True):
        watchers = pair.follow(pair.other.post(url))
        last = pair.check_ended(watchers)
        assert (stored["result"]["reused"], last["result"]["reused"]) == (False, True)
        assert [watcher.steps for watcher in watchers] == [STORED_STEPS, STORED_STEPS]
    asked = [one.target for one in origin.root.settled()]
    assert asked.count(urls[0].removeprefix(origin.address)) == 1


def test_a_request_that_is_repeated_at_the_other_makes_no_second_job(pair: Pair, site: Site) -> None:
    url = site.url("/media/clip.mp4")
    headers = {"Idempotency-Key": str(uuid4()), "Host": "localhost:3001"}  # a key is of one public address
    first, again = (product.post(url, headers=headers) for product in pair.both)
    assert first == again

    start_worker(pair.one)
    pair.check_ended(pair.follow(first))


def test_a_job_of_one_is_tried_again_at_the_other(pair: Pair, site: Site) -> None:
    worker = start_worker(pair.one)
    failed = pair.check_ended(pair.follow(pair.one.post(site.url("/status/404"))), "failed")
    worker.stop()
    start_worker(pair.other)
    answer = pair.other.client.post(f"/api/jobs/{failed['job_id']}/retry")
    assert answer.status_code == 202, answer.text

    again = pair.check_ended(pair.follow(answer.json()["job_id"]), "failed")
    assert (again["error"]["code"], again["attempt"]) == (failed["error"]["code"], 1)
