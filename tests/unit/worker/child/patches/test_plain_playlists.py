import pytest

from vidferry_worker.child.patches.plain_playlists import read_after, without_mark


def test_what_was_read_ahead_is_read_again() -> None:
    rest = [b"ef"]
    read = read_after(b"abcd", lambda _amount=None: rest.pop() if rest else b"")

    assert [read(3), read(3), read(3), read(3)] == [b"abc", b"d", b"ef", b""]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbf\r\n#EXTM3U\n", b"#EXTM3U\n"),
        (b"#EXTM3U\n", b"#EXTM3U\n"),
        (b"\xef\xbb\xbf<html>", b"\xef\xbb\xbf<html>"),
        (b"  {}", b"  {}"),
        (b"", b""),
    ],
)
def test_a_byte_order_mark_is_left_out_before_a_list_alone(content: bytes, expected: bytes) -> None:
    assert without_mark(lambda _amount=None: content)() == expected
