"""A job, its file and its picture."""

from uuid import uuid4

import httpx2
import orjson
import pytest

from support.answers import VIDEO, post, problem
from support.backstage import Backstage
from vidferry_common.bucket import StoredObject
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update

PICTURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def stored(backstage: Backstage) -> StoredObject:
    return backstage.put(f"videos/test/example.org/{uuid4()}/1080-any", b"0123456789", filename="Ein Test.mp4")


def test_a_job_is_shown_as_it_is(api: httpx2.Client) -> None:
    job = post(api, quality="720")
    answer = api.get(job["status_url"])

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"
    shown = answer.json()
    assert shown | {"created_at": "", "timestamp": "", "cursor": ""} == {
        "job_id": job["job_id"], "url": VIDEO, "format": {"quality": "720", "container": "any"}, "created_at": "",
        "cursor": "", "ws_url": job["ws_url"], "events_url": job["events_url"], "status": "queued", "stage": "queued",
        "progress": 0.0, "message": "Waiting for a worker", "seq": 1, "attempt": 0, "timestamp": "",
        "downloaded_bytes": None, "total_bytes": None, "speed": None, "eta": None, "title": None, "thumbnail": None,
        "retries": 0, "max_retries": None, "retry_at": None, "priority": "interactive", "force": False,
        "retry_of": None,
    }  # fmt: skip
    assert shown["cursor"].endswith("-1")


def test_who_asks_again_is_told_whether_anything_changed(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    first = api.get(job["status_url"])
    known = {"If-None-Match": first.headers["etag"]}

    for ask in (api.get, api.head):
        again = ask(job["status_url"], headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == "private, no-cache"
    assert api.get(job["status_url"], headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'}).status_code == 304

    backstage.begin(job["job_id"])
    changed = api.get(job["status_url"], headers=known)
    assert changed.json()["status"] == "processing"
    assert changed.headers["etag"] == api.head(job["status_url"]).headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("other", [{"Host": "localhost"}, {"X-Forwarded-Proto": "https"}])
def test_the_etag_is_of_all_that_is_shown(api: httpx2.Client, other: dict[str, str]) -> None:
    """The document holds addresses, which are the caller's."""
    job = post(api)
    known = api.get(job["status_url"]).headers["etag"]

    assert api.get(job["status_url"], headers={"If-None-Match": known, **other}).status_code == 200


def test_an_id_may_be_written_in_capitals(api: httpx2.Client) -> None:
    job = post(api)

    assert api.get(f"/api/jobs/{job['job_id'].upper()}").json()["job_id"] == job["job_id"]


def test_a_failure_is_shown(api: httpx2.Client, backstage: Backstage) -> None:
    job = post(api)
    backstage.fail(job["job_id"], ErrorCode.GEO_BLOCKED)

    assert api.get(job["status_url"]).json()["error"] == {
        "code": "geo_blocked", "message": ErrorCode.GEO_BLOCKED.sentence, "retryable": False,
    }  # fmt: skip


def test_what_a_newer_worker_tells_is_passed_on(api: httpx2.Client, backstage: Backstage) -> None:
    """Two releases run side by side during an update."""
    job = post(api)
    key = keys.JOB + job["job_id"]
    message = orjson.loads(backstage.redis(lambda redis: redis.hget(key, "state")))
    message["data"].update(stage="polishing", codec="av1", total_bytes=2**53 + 1)
    backstage.redis(lambda redis: redis.hset(key, "state", orjson.dumps(message)))

    shown = api.get(job["status_url"]).json()
    assert (shown["stage"], shown["codec"], shown["total_bytes"]) == ("polishing", "av1", 2**53 + 1)


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

    backstage.put(stored.name, b"newer", filename="Ein Test.webm", replaces=stored.generation)

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


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_picture_is_there_from_the_download_to_long_after(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject, cancelled: bool
) -> None:
    picture = backstage.put(f"{stored.name}-picture", PICTURE, "image/png")
    job = post(api)
    download_id = backstage.download_id(job["job_id"])
    claim = backstage.begin(job["job_id"])
    backstage.store(lambda store: store.downloads.record_thumbnail(download_id, picture.name))
    assert api.get(f"{job['status_url']}/thumbnail").content == PICTURE

    if cancelled:
        assert api.delete(job["status_url"]).status_code == 200
    else:
        backstage.finish(claim, queued_update().as_failed(ErrorCode.NETWORK))
    backstage.redis(lambda redis: redis.delete(keys.DOWNLOAD + download_id))
    assert api.get(f"{job['status_url']}/thumbnail").content == PICTURE


def test_a_file_that_was_fetched_anew_since_is_the_new_one(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject
) -> None:
    job = post(api)
    backstage.complete(job["job_id"], stored)
    backstage.put(stored.name, b"newer", replaces=stored.generation)

    assert api.get(f"{job['status_url']}/file", follow_redirects=True).content == b"newer"


def test_the_picture_is_served_inert(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    picture = backstage.put(f"{stored.name}-picture", PICTURE, "image/png")
    job = post(api)
    backstage.complete(job["job_id"], stored, thumbnail=picture.name)

    answer = api.get(f"{job['status_url']}/thumbnail")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PICTURE, "image/png")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "max-age=86400" in answer.headers["cache-control"]
    again = api.get(f"{job['status_url']}/thumbnail", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.head(f"{job['status_url']}/thumbnail").headers["content-length"] == str(len(PICTURE))


def test_no_picture_yet(api: httpx2.Client) -> None:
    problem(api.get(f"{post(api)['status_url']}/thumbnail"), 404, "no_thumbnail")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<script>alert(1)</script>", "text/html"),
        (b"<svg/>", "image/svg+xml"),
        (b"x" * (5 * 1024**2 + 1), "image/png"),
    ],
)
def test_what_is_no_picture_is_not_served(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject, content: bytes, kind: str
) -> None:
    found = backstage.put(f"{stored.name}-picture", content, kind)
    job = post(api)
    backstage.complete(job["job_id"], stored, thumbnail=found.name)

    problem(api.get(f"{job['status_url']}/thumbnail"), 404, "no_thumbnail")


def test_a_picture_that_was_removed(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    picture = backstage.put(f"{stored.name}-picture", PICTURE, "image/png")
    job = post(api)
    backstage.complete(job["job_id"], stored, thumbnail=picture.name)
    backstage.remove(picture)

    problem(api.get(f"{job['status_url']}/thumbnail"), 404, "no_thumbnail")
