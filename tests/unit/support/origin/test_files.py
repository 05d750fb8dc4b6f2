"""Ranges, validators and conditions."""

from email.utils import formatdate

import pytest

from support.origin import Site, media
from support.origin.files import File, Unsatisfiable, parse_range
from support.origin.wire import text
from unit.support.origin.conftest import Get

CLIP = "/media/clip.mp4"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=10-999", (10, 100)),
        ("bytes=-30", (70, 100)),
        ("bytes=-300", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_range_of_a_hundred_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_range_that_cannot_be_had(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


def test_whole_file_names_its_length_and_validators(site: Site, get: Get) -> None:
    answer = get(site.url(CLIP))
    assert (answer.status, answer.body) == (200, media.read("clip.mp4"))
    assert answer.headers["content-length"] == str(media.CLIP_BYTES)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert {"etag", "last-modified"} < answer.headers.keys()


def test_same_name_elsewhere_is_another_file(site: Site, get: Get) -> None:
    ours, other = get(site.url(CLIP)), get(site.url("/other/clip.mp4"))
    assert ours.body != other.body
    assert ours.headers["etag"] != other.headers["etag"]


def test_part_of_a_file(site: Site, get: Get) -> None:
    answer = get(site.url(CLIP), Range="bytes=1000-1999")
    assert (answer.status, answer.body) == (206, media.read("clip.mp4")[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{media.CLIP_BYTES}"


def test_range_behind_the_end_is_416(site: Site, get: Get) -> None:
    answer = get(site.url(CLIP), Range=f"bytes={media.CLIP_BYTES}-")
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{media.CLIP_BYTES}"


def test_head_has_the_headers_and_no_body(site: Site, get: Get) -> None:
    answer = get(site.url(CLIP), "HEAD")
    assert (answer.headers["content-length"], answer.body) == (str(media.CLIP_BYTES), b"")
    (exchange,) = site.settled()
    assert (exchange.method, exchange.sent, exchange.closed_early) == ("HEAD", 0, False)


def test_unchanged_is_304(site: Site, get: Get) -> None:
    known = get(site.url(CLIP), "HEAD").headers
    assert get(site.url(CLIP), If_None_Match=known["etag"]).status == 304
    assert get(site.url(CLIP), If_Modified_Since=known["last-modified"]).status == 304
    assert get(site.url(CLIP), If_None_Match='"other"', If_Modified_Since=known["last-modified"]).status == 200
    assert get(site.url(CLIP), If_Modified_Since=formatdate(0, usegmt=True)).status == 200


def test_if_range_gives_the_whole_of_a_changed_file(site: Site, get: Get) -> None:
    known = get(site.url(CLIP), "HEAD").headers
    assert get(site.url(CLIP), Range="bytes=0-9", If_Range=known["etag"]).status == 206
    assert get(site.url(CLIP), Range="bytes=0-9", If_Range='"old"').status == 200


@pytest.mark.parametrize(
    ("validators", "sent"),
    [("etag", {"etag"}), ("modified", {"last-modified"}), ("none", set())],
)
def test_sends_the_validators_asked_for(site: Site, get: Get, validators: str, sent: set[str]) -> None:
    answer = get(site.url(f"{CLIP}?validators={validators}"), "HEAD")
    assert answer.headers.keys() & {"etag", "last-modified"} == sent


def test_mutable_file_changes_when_told(site: Site, get: Get) -> None:
    url = site.url("/mutable/a/clip.mp4")
    first, again = get(url), get(url)
    assert (first.body, first.headers["etag"]) == (again.body, again.headers["etag"])
    seen = {first.headers["etag"]}
    for version in (1, 2, 3):
        assert site.mutate("a") == version
        changed = get(url)
        seen.add(changed.headers["etag"])
        assert changed.headers["last-modified"] != first.headers["last-modified"]
    assert len(seen) == 4
    assert get(site.url("/mutable/b/clip.mp4")).headers["etag"] == first.headers["etag"]


def test_a_test_puts_answers_of_its_own_in_front_of_the_routes(site: Site, get: Get) -> None:
    """In turn, the last one for all that follow; only on its own site."""
    url = site.put("/media/clip.mp4", text("not yet", status=503), File("clip.mp4", b"0123456789"))

    assert [get(url).status for _ in range(3)] == [503, 200, 200]
    part = get(url, Range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-type"]) == (206, b"234", "video/mp4")


def test_or_a_function_of_the_request(site: Site, get: Get) -> None:
    url = site.put("/mine", lambda request: text(request.headers.get("referer", "none")))

    assert get(url, Referer="http://page.example/").body == b"http://page.example/"
