"""Documents that the client has already, by their ETag."""

import httpx2
import pytest

from support.answers import post
from support.backstage import Backstage


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
