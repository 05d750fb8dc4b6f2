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


_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,15}://)(?:[^\s/?#@\"'<>]*@)?([^\s/?#\"'<>]*)([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?"
)
_SIGNED_PART = re.compile(r"/[^/]{49,}|/[^/]*[=~][^/]*|(?<=/sig|lsig|oken|hmac|ture|auth)/[^/]+")
"""of a path: where a site signs that instead of the query, one part of it is long, has names and values, or follows
the name of a signature"""
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)\b(['\"]?\s*[:=]).*")


def redact_site_text(text: str) -> str:
    """yt-dlp's or a site's text for the log, without what gives access: queries, users, passwords and signatures of
    URLs; cookies and credentials.
    """
    return _HEADER.sub(r"\1\2 …", _URL.sub(_redact_url, text))


def _redact_url(found: re.Match[str]) -> str:
    scheme, host, path, query = found.groups()
    return scheme + host + _SIGNED_PART.sub("/…", path) + (f"{query[0]}…" if query else "")


def _written_out(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or f"\\u{ord(character):04x}"
