"""The one spelling of an address: what is equal is downloaded once."""

import pytest

from vidferry_common.urls import MAX_LENGTH, canonical_url

SPELLINGS = {
    "https://example.org/": [
        "https://example.org", "HTTPS://EXAMPLE.org", "https://example.org:443", "https://example.org:/",
        "https://example.org.", "  https://example.org/\n", "https://example.org/#", "https://example.org/#part",
        "https://example.org/?", "https://exa\u200bmple.org/", "https://ＥＸＡＭＰＬＥ.org",
    ],
    "http://example.org:8080/Path?Q=1": ["http://EXAMPLE.org:8080/Path?Q=1#x"],
    "http://example.org/": ["http://example.org:80"],
    "https://example.org:80/": ["https://example.org:80"],
    "https://xn--fa-hia.de/": ["https://faß.de", "https://FAẞ.de", "https://xn--fa-hia.de"],
    "https://xn--r8jz45g.jp/%E5%8B%95%E7%94%BB": ["https://例え.jp/動画", "https://例え。jp/%E5%8B%95%E7%94%BB"],
    "http://192.0.2.1/": ["http://192.0.2.1:80"],
    "http://[2001:db8::1]:8080/": ["http://[2001:DB8:0:0::1]:8080"],
    "https://my_host.example.org/a%20b?c=%7Bd%7D": ["https://my_host.example.org/a%20b?c={d}"],
    "https://example.org/a;b,c@d/(e)!$&'*+=~:?x=/?:@": ["https://example.org/a;b,c@d/(e)!$&'*+=~:?x=/?:@"],
    "https://example.org/100%": ["https://example.org/100%"],
    "https://example.org/a/../b": ["https://example.org/a/../b"],
}  # fmt: skip


@pytest.mark.parametrize(("spelling", "expected"), [(each, one) for one, many in SPELLINGS.items() for each in many])
def test_spellings_of_one_address(spelling: str, expected: str) -> None:
    assert canonical_url(spelling) == expected
    assert canonical_url(expected) == expected


def test_the_longest_address() -> None:
    longest = "https://example.org/".ljust(MAX_LENGTH, "a")

    assert canonical_url(longest) == longest
    with pytest.raises(ValueError, match=f"longer than {MAX_LENGTH} characters"):
        canonical_url(longest + "a")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "paste the URL"),
        (" \t ", "paste the URL"),
        ("example.org", "begin with http:// or https://"),
        ("file:///etc/passwd", "begin with http:// or https://"),
        ("javascript:alert(1)", "begin with http:// or https://"),
        ("https://u:p@example.org", "user name or a password"),
        ("https://@example.org", "user name or a password"),
        ("https://?x", "has no host"),
        ("https:///video", "has no host"),
        ("https://a b.org", "must not contain spaces"),
        ("https://example.org/\x00", "must not contain spaces"),
        ("https://example.org/a\u00a0b", "must not contain spaces"),
        ("https://example.org/" + "ä" * 400, "longer than"),
        ("https://example.org\\@evil.example/", "backslashes"),
        ("https://example.org:0/", "port 0"),
        ("https://example.org:99999/", "host and port"),
        ("https://example.org:8x/", "host and port"),
        ("https://[v1.fe80]/", "not a valid IPv6 address"),
        ("https://[fe80::1%25eth0]/", "zone id"),
        ("https://[::1/", "host and port"),
        ("http://127.1/", "four decimal numbers"),
        ("http://0177.0.0.1/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f.0x1/", "four decimal numbers"),
        ("https://256.1.1.1/", "four decimal numbers"),
        ("https://-a.org/", "not a valid host name"),
        ("https://example..org/", "not a valid host name"),
        ("https://" + "a" * 64 + ".org/", "not a valid host name"),
        ("https://" + "a." * 127 + "org/", "not a valid host name"),
        ("https://" + "ü" * 63 + ".de/", "not a valid host name"),
        ("https://example.org/#__youtubedl_smuggle=x", "internal data"),
        ("https://example.org/video%23__youtubedl%5Fsmuggle=%7B%7D", "internal data"),
    ],
)
def test_what_is_refused_is_told_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        canonical_url(text)
