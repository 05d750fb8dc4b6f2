"""What a file of cookies may hold, and that no error repeats what stands in it."""

import pytest

from vidferry_worker.children.protocol import Cookie
from vidferry_worker.cookies.netscape import CookieFileWrong, parse_cookie_file

GOOD = "#HttpOnly_.example.com\tTRUE\t/\tTRUE\t1893456000\tsid\ta secret=value"
SESSION = "www.example.com\tFALSE\t/path\tFALSE\t0\tlang\t"


def _is_own(domain: str) -> bool:
    return domain.endswith("example.com")


def test_cookies_with_all_that_they_may_have() -> None:
    found = parse_cookie_file(f"\ufeff# Netscape HTTP Cookie File\r\n\r\n{GOOD}\r\n{SESSION}\n".encode(), _is_own)
    assert found.cookies == (
        Cookie(".example.com", "/", True, 1893456000, "sid", "a secret=value"),
        Cookie("www.example.com", "/path", False, None, "lang", ""),
    )
    assert (found.wrong_lines, found.foreign_lines) == ((), 0)
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        GOOD.replace("\t", " "),
        GOOD + "\tmore",
        GOOD.replace("TRUE\t1893456000", "yes\t1893456000"),
        GOOD.replace("1893456000", "tomorrow"),
        GOOD.replace("1893456000", "9" * 400),
        GOOD.replace("1893456000", "nan"),
        GOOD.replace("sid", ""),
        GOOD.replace("sid", "a b"),
        GOOD.replace("sid", "a=b"),
        GOOD.replace("a secret=value", "one; two"),
        GOOD.replace("a secret=value", "one\x00two"),
        GOOD.replace("a secret=value", "\u2028"),
        GOOD.replace("a secret=value", "ünï\u4e2d"),
        GOOD.replace(".example.com", "example.com/path"),
        GOOD.replace(".example.com", ""),
        GOOD.replace("/\tTRUE", "path\tTRUE"),
    ],
)
def test_a_line_that_is_no_cookie_is_left_out(line: str) -> None:
    """Nothing in it becomes a header, nor a cookie of another name or site."""
    found = parse_cookie_file(f"{line}\n{SESSION}\n".encode(), _is_own)
    assert [each.name for each in found.cookies] == ["lang"]
    assert found.wrong_lines[0] == 1


def test_cookies_of_other_sites_are_left_out() -> None:
    other = GOOD.replace("example.com", "example.org")
    found = parse_cookie_file(f"{other}\n{SESSION}\n".encode(), _is_own)
    assert ([each.name for each in found.cookies], found.foreign_lines) == (["lang"], 1)


@pytest.mark.parametrize("content", [b'[{"name": "sid", "value": "secret"}]', b"\n {}", b"\xff\xfe\x00s"])
def test_another_format_is_told(content: bytes) -> None:
    with pytest.raises(CookieFileWrong) as wrong:
        parse_cookie_file(content, _is_own)
    assert "secret" not in str(wrong.value)
