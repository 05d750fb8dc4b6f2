"""An open file as the answer: whole, in ranges, and closed at the end."""

import socket
from uuid import uuid4

import httpx2
import pytest

from support.answers import problem
from support.backstage import Backstage
from support.children import open_files
from support.services import Api
from unit.api.objects.conftest import CONTENT
from vidferry_common.bucket import StoredObject


def is_open(api: Api, part: str) -> bool:
    """Whether the api has a file open with that in its path."""
    return any(part in path for path in open_files(api.pid).values())


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
    for condition, status in ((f'"{stored.version}"', 206), ('"1"', 200), (f'W/"{stored.version}"', 200)):
        assert api.get(link, headers={"Range": "bytes=0-9", "If-Range": condition}).status_code == status


def test_an_empty_file(api: httpx2.Client, backstage: Backstage) -> None:
    link = backstage.sign(backstage.put(f"videos/empty/{uuid4()}", b"")).url

    answer = api.get(link)
    assert (answer.status_code, answer.content) == (200, b"")


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
