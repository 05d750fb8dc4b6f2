"""The file of a job."""

import httpx2
import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from vidferry_common.bucket import StoredObject
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update


@pytest.mark.parametrize("begun", [False, True])
def test_there_is_no_file_before_the_end(api: httpx2.Client, backstage: Backstage, begun: bool) -> None:
    job = post(api)
    if begun:
        backstage.begin(job["job_id"])

    problem(api.get(f"{job['status_url']}/file"), 409, "job_not_ended")


def test_there_is_no_file_of_a_failure(api: httpx2.Client, backstage: Backstage) -> None:
    failed, cancelled = post(api), post(api, VIDEO + "2")
    backstage.fail(failed["job_id"], ErrorCode.PRIVATE)
    backstage.end(cancelled["job_id"], queued_update().as_cancelled())

    for job in (failed, cancelled):
        problem(api.get(f"{job['status_url']}/file"), 409, "job_failed")


def test_the_file_is_behind_a_fresh_link(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored)

    answer = api.get(f"{job['status_url']}/file")
    assert answer.status_code == 307
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"].startswith(f"{str(api.base_url).rstrip('/')}/files/{stored.name}?")
    assert api.get(answer.headers["location"]).content == b"0123456789"
    assert api.head(f"{job['status_url']}/file").status_code == 307


def test_the_file_is_saved_under_the_name_that_the_job_found(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject
) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored, "Neuer Name.mp4")
    by_job = api.get(f"{job['status_url']}/file", follow_redirects=True)
    assert 'filename="Neuer Name.mp4"' in by_job.headers["content-disposition"]
    assert 'filename="Ein Test.mp4"' in api.get(backstage.sign(stored).url).headers["content-disposition"]

    backstage.put(stored.name, b"newer", filename="Ein Test.webm", replaces=stored.version)

    by_job = api.get(f"{job['status_url']}/file", follow_redirects=True)
    assert 'filename="Ein Test.webm"' in by_job.headers["content-disposition"]


def test_a_file_that_was_removed_is_gone(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored)
    backstage.remove(stored)

    problem(api.get(f"{job['status_url']}/file"), 410, "object_gone")


def test_a_file_that_is_being_removed_is_gone(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored)
    backstage.store(lambda store: store.leases.find_expired("worker", 60, 60, 60))
    assert backstage.store(lambda store: store.objects.mark_deleting("worker", [stored.name])) == [stored.name]

    problem(api.get(f"{job['status_url']}/file"), 410, "object_gone")


def test_the_file_outlives_the_download(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    job = post(api)
    download_id = backstage.download_id(job["job_id"])
    backstage.complete(job["job_id"], stored)
    assert 0 < backstage.redis(lambda redis: redis.ttl(keys.DOWNLOAD + download_id)) <= 300
    backstage.redis(lambda redis: redis.delete(keys.DOWNLOAD + download_id))  # as if that time had passed

    assert api.get(f"{job['status_url']}/file", follow_redirects=True).content == b"0123456789"
    assert api.get(job["status_url"]).json()["url"] == VIDEO


def test_a_file_that_was_fetched_anew_since_is_the_new_one(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject
) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored)
    backstage.put(stored.name, b"newer", replaces=stored.version)

    assert api.get(f"{job['status_url']}/file", follow_redirects=True).content == b"newer"
