from email.utils import formatdate

import pytest

from vidferry_worker.child.validators import read_validators, without_signature

MONDAY = "Mon, 05 Jan 2026 10:00:00 GMT"


def test_validators_are_those_of_the_whole_file() -> None:
    part = {"ETag": '"1"', "Content-Length": "5", "Content-Range": "bytes 5-9/10"}

    assert read_validators("http://a/", part)["content-length"] == "10"
    assert read_validators("http://a/", part | {"Content-Range": "bytes 5-9/*"})["content-length"] == "5"
    assert len(read_validators("http://a/", {"ETag": "x" * 5000})["etag"]) == 200
    assert read_validators("http://a/", {"ETag": 'W/"1"'})["etag"] == '"1"'
    assert "last-modified" not in read_validators("http://a/", {"Last-Modified": MONDAY, "Date": MONDAY})


def test_a_date_that_cannot_be_read_is_compared_all_the_same() -> None:
    now = formatdate(usegmt=True)
    for headers in ({"Date": now}, {"Last-Modified": "yesterday", "Date": now}, {"Last-Modified": MONDAY}):
        assert read_validators("http://a/", headers).get("last-modified") == headers.get("Last-Modified")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://a/b?X-Goog-Signature=1&id=2&x-goog-expires=3#t=5", "http://a/b?id=2"),
        ("http://a/b?Expires=1&Signature=2&Key-Pair-Id=3", "http://a/b"),
        ("http://a/b?id=%2F+&c", "http://a/b?id=%2F+&c"),
        ("http://a/b?hdnts=exp=1~hmac=2", "http://a/b"),
    ],
)
def test_what_an_address_was_signed_with_does_not_count(url: str, same: str) -> None:
    assert without_signature(url) == same
