import os
import socket
from collections.abc import Iterator

import pytest

from support.children import open_files
from vidferry_worker.children import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = wire.socket_pair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def test_messages_keep_their_bounds_and_order(pair: Pair) -> None:
    ours, theirs = pair
    sent = [{"n": number, "text": "🌅\x00" * number} for number in range(20)]
    for message in sent:
        wire.send(theirs, message)

    assert [wire.receive(ours) for _ in sent] == [(message, []) for message in sent]


def test_a_file_goes_along_and_is_not_inherited(pair: Pair) -> None:
    ours, theirs = pair
    read_end, write_end = os.pipe()
    wire.send(theirs, {"id": 1}, [read_end])
    os.close(read_end)

    message, (passed,) = wire.receive(ours)

    os.write(write_end, b"through")
    os.close(write_end)
    assert (message, os.read(passed, 99), os.get_inheritable(passed)) == ({"id": 1}, b"through", False)
    os.close(passed)


def test_the_end_of_the_line(pair: Pair) -> None:
    ours, theirs = pair
    wire.send(theirs, {"last": True})
    theirs.close()

    assert wire.receive(ours) == ({"last": True}, [])
    assert wire.receive(ours) == (None, [])
    with pytest.raises(OSError, match=r"."):
        wire.send(ours, {})


def test_the_largest_message_passes(pair: Pair) -> None:
    ours, theirs = pair
    text = "x" * (wire.MAX_BYTES - len('{"t": ""}'))
    wire.send(theirs, {"t": text})

    assert wire.receive(ours) == ({"t": text}, [])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"t": "' + b"x" * wire.MAX_BYTES + b'"}', b"nonsense", b"[1]", b"null", b'"text"', b"1", b"\xff\xfe", b"{",
        b'{"a":' + b"9" * 5000 + b"}", b"[" * 60_000, b'{"a":' * 10_000,
    ],
    ids=lambda raw: f"{raw[:8]!r}-{len(raw)}",
)  # fmt: skip
def test_what_is_no_message_is_told_as_that(pair: Pair, raw: bytes) -> None:
    ours, theirs = pair
    theirs.send(raw)

    with pytest.raises(wire.WireError):
        wire.receive(ours)


@pytest.mark.parametrize("raw", [b"nonsense", b"[1]", b"x" * (wire.MAX_BYTES + 1)], ids=["json", "kind", "size"])
def test_a_file_beside_what_is_no_message_is_not_kept_open(pair: Pair, raw: bytes) -> None:
    """Else a child could use up the worker's open files, one for each attempt."""
    ours, theirs = pair
    before = set(open_files().items())
    socket.send_fds(theirs, [raw], [theirs.fileno()])

    with pytest.raises(wire.WireError):
        wire.receive(ours)

    assert set(open_files().items()) <= before


def test_a_peer_that_may_send_no_files_is_cut_off_where_it_does(pair: Pair) -> None:
    ours, theirs = pair
    before = set(open_files().items())
    wire.send(theirs, {"id": 1})
    wire.send(theirs, {"id": 2}, [theirs.fileno()])

    assert wire.receive_without_files(ours) == {"id": 1}
    with pytest.raises(wire.WireError):
        wire.receive_without_files(ours)
    assert set(open_files().items()) <= before
    theirs.close()
    assert wire.receive_without_files(ours) is None


def test_more_files_than_agreed_are_refused(pair: Pair) -> None:
    ours, theirs = pair
    before = set(open_files().items())
    wire.send(theirs, {"id": 1}, [theirs.fileno()] * 5)

    with pytest.raises(wire.WireError):
        wire.receive(ours)

    assert set(open_files().items()) <= before
