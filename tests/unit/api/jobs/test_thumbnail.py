"""The picture of a job."""

import httpx2
import pytest

from support.answers import post, problem
from support.backstage import Backstage
from vidferry_api.jobs.thumbnail import find_thumbnail
from vidferry_common.bucket import StoredObject
from vidferry_common.contract import keys
from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import queued_update

PICTURE = b"\x89PNG\r\n\x1a\n"


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


def test_the_job_ends_while_its_picture_is_looked_up(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject
) -> None:
    job_id = post(api)["job_id"]
    running = backstage.store(lambda store: store.jobs.read(job_id))
    assert running is not None
    backstage.complete(job_id, stored, thumbnail="picture")

    assert backstage.store(lambda store: find_thumbnail(running, store)) == "picture"


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
