"""Signed links to a folder's files."""

import re
from urllib.parse import unquote

import httpx2

from support.answers import problem
from support.backstage import Backstage
from unit.api.conftest import OpenApp
from unit.api.objects.conftest import CONTENT
from vidferry_common.bucket import StoredObject


def test_the_whole_file(api: httpx2.Client, link: str, stored: StoredObject) -> None:
    answer = api.get(link)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert (headers["content-type"], headers["content-length"]) == ("video/mp4", str(len(CONTENT)))
    assert (headers["accept-ranges"], headers["etag"]) == ("bytes", f'"{stored.version}"')
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    disposition = re.fullmatch(
        r"attachment; filename=\"[ -~]+\"; filename\*=UTF-8''(\S+)", headers["content-disposition"]
    )
    assert disposition
    assert unquote(disposition[1]) == "Ein „Test“ – 動画 4pm.mp4"


def test_a_link_whose_time_is_over(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    answer = api.get(backstage.sign(stored, lifetime=-1).url)

    assert "file_url" in problem(answer, 410, "link_expired")["detail"]


def test_a_link_that_was_changed(api: httpx2.Client, link: str) -> None:
    path, _, query = link.partition("?")
    changed = [
        path,
        re.sub(r"expires=(\d)", r"expires=9\1", link),
        re.sub(r"signature=.*", "signature=%C3%A4", link),
        f"/files/..%2f..%2fetc%2fpasswd?{query}",
        f"/files/%00?{query}",
        "/files/",
    ]
    for each in changed:
        problem(api.get(each), 403, "link_invalid")


def test_a_file_that_was_removed_or_replaced(
    api: httpx2.Client, backstage: Backstage, stored: StoredObject, link: str
) -> None:
    newer = backstage.put(stored.name, b"newer", replaces=stored.version)
    problem(api.get(link), 410, "object_gone")
    link = backstage.sign(newer).url
    assert api.get(link).content == b"newer"
    backstage.remove(newer)
    problem(api.get(link), 410, "object_gone")


def test_without_a_key_links_can_not_be_checked(open_app: OpenApp, link: str) -> None:
    problem(open_app(signing_key="").get(link), 503, "storage_unavailable")


def test_a_file_that_the_client_has(api: httpx2.Client, link: str, stored: StoredObject) -> None:
    for known, status in (
        (f'"{stored.version}"', 304),
        (f'"1", W/"{stored.version}"', 304),
        ("*", 304),
        ('"1"', 200),
    ):
        assert api.get(link, headers={"If-None-Match": known}).status_code == status
