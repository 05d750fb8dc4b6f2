"""Web pages with a player in them, as yt-dlp's generic extractor reads them."""

from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from support.origin.files import TYPES

TITLES = {
    "plain": "A clip of coloured bars",
    "arabic": "مقطع فيديو تجريبي من الألوان",
    "chinese": "彩色条纹测试视频",
    "emoji": "Sunset 🌅 with family 👩‍👩‍👧‍👦 and flags 🇩🇪",
    "quotes": """She said "it's <b>bold</b> & 100% 'done'" / C:\\ end""",
}


def page(title: str, sources: Sequence[str]) -> str:
    """A page with one player for each source; none makes a page without a video. Addresses may be relative."""
    return f"""<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>{escape(title)}</title>
<meta property="og:title" content="{escape(title)}">
<meta property="og:description" content="Made for tests">
<meta property="og:image" content="thumb.jpg">
</head>
<body>
<h1>{escape(title)}</h1>
{"".join(map(_player, sources))}</body>
</html>
"""


def _player(source: str) -> str:
    media_type = TYPES.get(PurePosixPath(urlsplit(source).path).suffix, "video/mp4")
    return f"""<video controls poster="thumb.jpg">
<source src="{escape(source)}" type="{media_type}">
</video>
"""
