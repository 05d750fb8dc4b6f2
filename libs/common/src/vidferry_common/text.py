"""Text that strangers wrote, made safe to show: on a terminal, in a log, as a title or a file's name."""

import re
import unicodedata

_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Unicode's marks, embeddings, overrides and isolates (UAX #9), which show a text in another order than it has."""
_SURROGATES = "\ud800-\udfff"
"""halves of UTF-16 pairs: no encoding has them"""
_CONTROLS = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTIONS}{_SURROGATES}]")


def escape_controls(text: str) -> str:
    r"""The text with each control character written out, as `\n` or `\u202e`: one line, which says what is in it."""
    return _CONTROLS.sub(lambda found: _written_out(found[0]), text)


def remove_controls(text: str) -> str:
    """The text for people: a space in the place of control characters, and nothing in that of directions and halves."""
    return _CONTROLS.sub(lambda found: "" if unicodedata.category(found[0]) in {"Cf", "Cs"} else " ", text)


def _written_out(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or f"\\u{ord(character):04x}"
