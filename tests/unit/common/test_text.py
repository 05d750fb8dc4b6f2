"""Text of strangers: control characters are escaped or removed, and what gives access is left out."""

import time

import pytest

from vidferry_common.text import escape_controls, redact_site_text, remove_controls


@pytest.mark.parametrize(
    ("text", "escaped", "removed"),
    [
        ("a clip", "a clip", "a clip"),
        ("مقطع 👩‍👩‍👧 🇩🇪", "مقطع 👩‍👩‍👧 🇩🇪", "مقطع 👩‍👩‍👧 🇩🇪"),
        ("a\nb\r\tc", "a\\nb\\r\\tc", "a b  c"),
        ("\x00\x1b[2J\x7f\x9b", "\\u0000\\u001b[2J\\u007f\\u009b", "  [2J  "),
        ("a\u202egnp.exe\u202c", "a\\u202egnp.exe\\u202c", "agnp.exe"),
        ("\u200fa\u200e\u061cb", "\\u200fa\\u200e\\u061cb", "ab"),
        ("half \ud83d", "half \\ud83d", "half "),
        ("\u2066x\u2069\u2028y", "\\u2066x\\u2069\\u2028y", "x y"),
    ],
)
def test_control_characters(text: str, escaped: str, removed: str) -> None:
    assert escape_controls(text) == escaped
    assert remove_controls(text) == removed


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("403 for https://cdn.example/v.mp4?sig=SECRET&x=1#SECRET (by", "403 for https://cdn.example/v.mp4?… (by"),
        ("'http://user:SECRET@[::1]:80/a/b'", "'http://[::1]:80/a/b'"),
        ("<https://cdn.example/hdntl=exp=1~hmac=SECRET/a.m3u8>", "<https://cdn.example/…/a.m3u8>"),
        ("https://cdn.example/videoplayback/expire/1/sig/SECRET/v", "https://cdn.example/videoplayback/expire/1/sig/…/v"),
        (f"rtmp://cdn.example/{'SECRET' * 9}/v", "rtmp://cdn.example/…/v"),
        ("sent {'Cookie': 'SID=SECRET; a=SECRET'} there", "sent {'Cookie': …"),
        ("Authorization: Bearer SECRET\nnext", "Authorization: …\nnext"),
        ("[youtube] dQw4w9WgXcQ: Sign in. Use --cookies FILE", "[youtube] dQw4w9WgXcQ: Sign in. Use --cookies FILE"),
    ],
)  # fmt: skip
def test_what_gives_access_is_left_out(text: str, redacted: str) -> None:
    assert redact_site_text(text) == redacted


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "http://" * 20_000, "http://a@" * 20_000, "://" * 50_000, "cookie" * 20_000]
)
def test_no_text_takes_long_to_redact(text: str) -> None:
    begun = time.process_time()
    redact_site_text(text)
    assert time.process_time() - begun < 2
