"""Text of strangers: control characters are escaped or removed."""

import pytest

from vidferry_common.text import escape_controls, remove_controls


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
