"""Signed links to a folder's files."""

import re
import socket
from urllib.parse import unquote
from uuid import uuid4

import httpx2
import pytest

from support.answers import problem
from support.backstage import Backstage
from support.children import open_files
from support.services import Api
from unit.api.conftest import OpenApp
from vidferry_common.bucket import StoredObject

CONTENT = bytes(range(256)) * 1024
TITLE = "Ein „Test“ – 動画 \u202e4pm.mp4"


def is_open(api: Api, part: str) -> bool:
    """Whether the api has a file open with that in its path."""
    return any(part in path for path in open_files(api.pid).values())


@pytest.fixture
def stored(backstage: Backstage) -> StoredObject:
    return backstage.put(f"videos/test/example.org/{uuid4()}/1080-any", CONTENT, filename=TITLE)


@pytest.fixture
def link(backstage: Backstage, stored: StoredObject) -> str:
    return backstage.sign(stored).url


def test_the_whole_file(api: httpx2.Client, link: str, stored: StoredObject) -> None:
    answer = api.get(link)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert (headers["content-type"], headers["content-length"]) == ("video/mp4", str(len(CONTENT)))
    assert (headers["accept-ranges"], headers["etag"]) == ("bytes", f'"{stored.generation}"')
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    disposition = re.fullmatch(
        r"attachment; filename=\"[ -~]+\"; filename\*=UTF-8''(\S+)", headers["content-disposition"]
    )
    assert disposition
    assert unquote(disposition[1]) == "Ein „Test“ – 動画 4pm.mp4"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Range": "bytes=999999-"}])
def test_its_head(api: httpx2.Client, link: str, headers: dict[str, str]) -> None:
    """A Range has no meaning there (RFC 9110 §14.2)."""
    answer = api.head(link, headers=headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=1000-1999", 1000, 1999), ("bytes=-10", len(CONTENT) - 10, len(CONTENT) - 1),
     ("bytes=262000-", 262000, len(CONTENT) - 1), ("bytes=262000-999999", 262000, len(CONTENT) - 1)],
)  # fmt: skip
def test_a_part(api: httpx2.Client, link: str, asked: str, first: int, last: int) -> None:
    answer = api.get(link, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_several_parts(api: httpx2.Client, link: str) -> None:
    answer = api.get(link, headers={"Range": "bytes=0-1, 10-11"})

    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert answer.content.count(b"Content-Range: bytes ") == 2


@pytest.mark.parametrize("asked", ["bytes=262144-", "bytes=9999999-", "bytes=5-3"])
def test_a_part_that_is_not_there(api: httpx2.Client, link: str, asked: str) -> None:
    answer = api.get(link, headers={"Range": asked})

    assert "0 to 262143" in problem(answer, 416, "range_not_satisfiable")["detail"]
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes", "bytes=", "bytes=a-b", "bytes=-", "bytes=1-2,x"])
def test_a_range_that_can_not_be_read_counts_as_none(api: httpx2.Client, link: str, asked: str) -> None:
    assert api.get(link, headers={"Range": asked}).status_code == 200


def test_a_part_of_that_very_file(api: httpx2.Client, link: str, stored: StoredObject) -> None:
    for condition, status in ((f'"{stored.generation}"', 206), ('"1"', 200), (f'W/"{stored.generation}"', 200)):
        assert api.get(link, headers={"Range": "bytes=0-9", "If-Range": condition}).status_code == status


def test_a_file_that_the_client_has(api: httpx2.Client, link: str, stored: StoredObject) -> None:
    for known, status in (
        (f'"{stored.generation}"', 304),
        (f'"1", W/"{stored.generation}"', 304),
        ("*", 304),
        ('"1"', 200),
    ):
        assert api.get(link, headers={"If-None-Match": known}).status_code == status


def test_a_link_whose_time_is_over(api: httpx2.Client, backstage: Backstage, stored: StoredObject) -> None:
    answer = api.get(backstage.sign(stored, lifetime=-1).url)

    assert "file_url" in problem(answer, 410, "link_expired")["detail"]


def test_a_link_that_was_changed(api: httpx2.Client, link: str) -> None:
    path, _, query = link.partition("?")
    changed = [
        path,
        f"{path}x?{query}",
        re.sub(r"expires=(\d)", r"expires=9\1", link),
        re.sub(r"generation=(\d)", r"generation=9\1", link),
        re.sub(r"signature=.*", "signature=v1.AAAA", link),
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
    newer = backstage.put(stored.name, b"newer", replaces=stored.generation)
    problem(api.get(link), 410, "object_gone")
    link = backstage.sign(newer).url
    assert api.get(link).content == b"newer"
    backstage.remove(newer)
    problem(api.get(link), 410, "object_gone")


def test_an_empty_file(api: httpx2.Client, backstage: Backstage) -> None:
    link = backstage.sign(backstage.put(f"videos/empty/{uuid4()}", b"")).url

    answer = api.get(link)
    assert (answer.status_code, answer.content) == (200, b"")


def test_without_a_key_links_can_not_be_checked(open_app: OpenApp, link: str) -> None:
    problem(open_app(signing_key="").get(link), 503, "storage_unavailable")


def test_a_file_is_closed_whatever_becomes_of_its_request(
    api: httpx2.Client, shared_api: Api, backstage: Backstage
) -> None:
    """Sent whole, sent in part, refused, known, asked for its head, or left by its client in the midst of it."""
    link = backstage.sign(backstage.put(f"videos/large/{uuid4()}", bytes(32 * 1024**2))).url
    etag = api.get(link).headers["etag"]
    for headers in ({"Range": "bytes=0-9"}, {"Range": "bytes=99999999-"}, {"If-None-Match": etag}):
        api.get(link, headers=headers)
    api.head(link)
    url = httpx2.URL(shared_api.url)
    with socket.create_connection((url.host, url.port or 0), timeout=20) as client:
        client.sendall(f"GET {link} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert is_open(shared_api, "large")
    shared_api.wait_until(lambda: not is_open(shared_api, "large"))
