"""Heads as libcurl tells them, a line at a time."""

import http.client

import pytest

from vidferry_worker.child.impersonation.response_head import MAX_HEADERS, MAX_LINE, ResponseHead


def collect(*lines: bytes) -> ResponseHead:
    head = ResponseHead()
    for line in lines:
        head.add_line(line + b"\r\n")
    return head


def test_a_head_is_complete_at_its_blank_line() -> None:
    assert not collect(b"HTTP/2 200", b"etag: a").is_complete

    head = collect(b"HTTP/2 200", b"etag: a", b"set-cookie: a=1", b"Set-Cookie: b=2", b"")

    assert (head.is_complete, head.status, head.headers["ETag"]) == (True, 200, "a")
    assert head.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_interim_responses_and_trailers_are_left_out() -> None:
    head = collect(b"HTTP/1.1 103 Early Hints", b"Link: a", b"", b"HTTP/1.1 200 OK", b"A: 1", b"", b"Trailer: t", b"")

    assert (head.status, head.headers.items()) == (200, [("A", "1")])


def test_equal_lengths_count_as_one() -> None:
    assert collect(b"HTTP/2 200", b"content-length: 5, 5", b"").headers["Content-Length"] == "5"


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"HTTP/1.1 100 Continue", b""] * 200, id="interim"),
        pytest.param([b"HTTP/1.1 200 OK", *[b"A: 1"] * (MAX_HEADERS + 1)], id="many"),
        pytest.param([b"HTTP/1.1 200 OK", b"A: " + b"a" * MAX_LINE], id="long"),
        pytest.param([b"ICY 200 OK"], id="no HTTP"),
        pytest.param([b"HTTP/1.1 OK"], id="no status"),
        pytest.param([b""], id="nothing"),
    ],
)
def test_what_is_no_head_or_has_no_end_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(http.client.HTTPException):
        collect(*lines)
