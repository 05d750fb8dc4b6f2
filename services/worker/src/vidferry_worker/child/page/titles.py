"""Finds the titles of a page."""

import re
from collections.abc import Iterator

from yt_dlp.utils import clean_html

from vidferry_worker.child.page.html_tags import find_metas

_PROPERTIES = ("og:title", "twitter:title", "name")
_TITLE = re.compile(r"<title\b[^<>]{0,500}>([^<]{1,4000})</title>", re.IGNORECASE)
_HEADING = re.compile(r"<h1\b[^<>]{0,1000}>((?:[^<]++|<(?!/?h1)){1,200}+)</h1>", re.IGNORECASE)
_BODY = re.compile(r"<body[\s>]", re.IGNORECASE)


def find_titles(text: str) -> Iterator[str]:
    """The titles by reliability: Open Graph's, the title element, other properties, the first heading."""
    properties: dict[str, str] = {}
    for name, content, _ in find_metas(text):
        properties.setdefault(name, content)
    body = _BODY.search(text)
    head = text[: body.start()] if body else text  # an SVG in the body may have a title element
    found = (
        properties.get("og:title"),
        _find_text(_TITLE, head),
        *map(properties.get, _PROPERTIES[1:]),
        _find_text(_HEADING, text),
    )
    yield from filter(None, found)


def _find_text(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return clean_html(found[1]) if found else None
