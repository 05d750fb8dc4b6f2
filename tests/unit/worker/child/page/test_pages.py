"""A video in a web page, as a browser would load it: which one, from where, and under which name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlsplit

import pytest

from support.extraction import Extracted, extract
from support.origin.files import File
from support.origin.server import Origin
from support.origin.wire import Reply, text

pytestmark = pytest.mark.xdist_group("pages")  # all pages are extracted once, for all of these tests


def page(content: str, title: str = "Harbour", **headers: str) -> Reply:
    return text(f"<html><head><title>{title}</title>{content}</head></html>", "html", headers=headers)


def metas(*pairs: tuple[str, object]) -> str:
    return "".join(f'<meta property="{name}" content="{escape(str(value))}">' for name, value in pairs)


def player(*sources: str) -> str:
    """One with a source each: a name, and what the source element says of it."""
    elements = (f"<source src='{name}' {words}>" for name, _, words in (each.partition(" ") for each in sources))
    return f"<video>{''.join(elements)}</video>"


def json_ld(data: str) -> str:
    return f'<script type="application/ld+json">{data}</script>'


def video(address: str) -> str:
    """A VideoObject; the address as JSON."""
    return f'{{"@context":"https://schema.org","@type":"VideoObject","name":"Pier","contentUrl":{address}}}'


@dataclass(frozen=True)
class Situation:
    """A page at /films/harbour, or another document."""

    name: str
    content: str
    right: str = "/films/clip.mp4"
    """the path of the video that is to be found"""
    title: str = "Harbour"
    by_itself: bool = False
    """yt-dlp does so too, but for numbers at titles"""
    pages: Mapping[str, str] = field(default_factory=dict)
    """further ones, and what is in them"""


SITE_CLIP, SITE_A, SITE_B = (video(f'"SITE/films/{name}.mp4"') for name in ("clip", "a", "b"))
B, ELSEWHERE = "/films/b.mp4", "/media/clip.mp4"
BASE = [  # HTML §4.2.3: the first that has an address counts
    Situation("commented-base", "<!-- <base href='/no/'> --><video src='clip.mp4'></video>", by_itself=True),
    Situation("base-and-query", "<base href='../v/3?x'><video src='?id=3'></video>", "/v/3"),
    Situation("protocol-relative", player("//HOST/films/clip.mp4"), by_itself=True),
    Situation("base", "<base href='../media/'><video src='clip.mp4'></video>", ELSEWHERE),
    Situation(
        "first-base", "<base target=x><base href=SITE/media/><base href=/no/><video src=clip.mp4></video>", ELSEWHERE
    ),
    Situation("base-of-json-ld", "<base href='../media/'>" + json_ld(video('"clip.mp4"')), ELSEWHERE, "Pier"),
    Situation("base-of-og", "<base href='../media/'>" + metas(("og:video", "clip.mp4")), ELSEWHERE),
    Situation(
        "base-of-jwplayer", "<base href=../media/><script>jwplayer('p').setup({file: 'clip.mp4'})</script>", ELSEWHERE
    ),
]
ENDINGS = [
    Situation("fragment", "<video controls src='clip.mp4#t=0.001'></video>"),
    Situation("fragment-of-source", player("clip.mp4#t=0.5 type=video/mp4"), by_itself=True),
    Situation("script", "<video src='stream.php?id=3'></video>", "/films/stream.php"),
    Situation("script-of-a-type", player("stream.php?id=3 type=video/mp4"), "/films/stream.php", by_itself=True),
    Situation("no-ending", "<video src='../v/3'></video>", "/v/3"),
]
SIZES = [  # players name them as they like: plyr, Video.js, Fluid Player, jPlayer
    Situation(
        "data-setup",
        """<video data-setup='{"sources":[{"src":"a.mp4","res":144},{"src":"b.mp4","res":360}]}'></video>""",
        B,
    ),
    Situation("data-setup-without-json", "<video data-setup='{x' src=clip.mp4></video>", by_itself=True),
    Situation("words", player("a.mp4 label=SD", "b.mp4 label='Full HD'", "c.mp4 label=HD"), B),
    Situation(
        "codecs",
        player(
            "a.mp4 type='video/mp4; codecs=&quot;hvc1.1.6.L93.B0&quot;'",
            "b.mp4 type='video/mp4; codecs=&quot;avc1.42E01E, mp4a.40.2&quot;'",
        ),
        B,
        by_itself=True,
    ),
    Situation("size", player("a.mp4 size=144", "b.mp4 size=360", "c.mp4 size=240"), B),
    Situation("label", player("a.mp4 label='144p'", "b.mp4 label='HD 360p'", "c.mp4 label=240"), B, by_itself=True),
    Situation("data-res", player("a.mp4 data-res=144", "b.mp4 data-res=360", "c.mp4 data-res=240"), B),
    Situation("data-quality", player("b.mp4 data-quality=360p", "a.mp4 data-quality=144p"), B),
    Situation("names", player("b-360p.mp4", "a-144p.mp4"), "/films/b-360p.mp4"),
    Situation("first-of-equals", player("b.mp4", "a.mp4"), B),
    Situation("small-screen", player("a.mp4 media='(max-width: 600px)'", "b.mp4"), B, by_itself=True),
]
PLAYERS = [
    Situation("nonsense-poster", "<video src=clip.mp4 poster='http://[x/'></video>", by_itself=True),
    Situation(
        "refresh",
        "<base href='../media/'><meta http-equiv='refresh' content='9; url=../films/harbour'>" + player("clip.mp4"),
        ELSEWHERE,
    ),
    Situation("first", "<video src=b.mp4></video><video src=a.mp4></video>", B, by_itself=True),
    Situation("commented-out", "<!-- <video src=a.mp4></video> --><video src=b.mp4></video>", B),
    Situation("unclosed", "<VIDEO SRC=clip.mp4 controls>"),
    Situation(
        "by-a-script",
        "<video src=blob:x><track src=x.vtt></video>" + json_ld(video('"SITE/films/clip.mp4"')),
        title="Pier",
    ),
    Situation(
        "its-own-number",
        "<meta property=og:title content='Part (1)'>" + player("clip.mp4"),
        title="Part (1)",
        by_itself=True,
    ),
]
JSON_LD = [
    Situation(
        "json-ld-odd",
        json_ld(
            '{"@context":"x","@type":"VideoObject","name":5,"contentUrl":"clip.mp4","author":[1],"thumbnailUrl":[1]}'
        ),
    ),
    Situation(
        "json-ld-of-the-page", json_ld(video('"SITE/films/harbour"')) + metas(("og:video", "clip.mp4")), by_itself=True
    ),
    Situation("json-ld-relative", json_ld(video('"clip.mp4"')), title="Pier"),
    Situation("json-ld-list", json_ld(video('["clip.mp4", "a.mp4"]')), title="Pier"),
    Situation(
        "json-ld-graph",
        json_ld(f'{{"@context":"x","@id":"y","@graph":[{{"@type":"WebPage"}},{SITE_CLIP}]}}'),
        title="Pier",
    ),
    Situation("json-ld-first", json_ld(f"[{SITE_B},{SITE_A}]"), B, "Pier"),
    Situation("json-ld-deep", json_ld(f'{{"@context":"x","@type":"WebPage","mainEntity":{SITE_CLIP}}}'), title="Pier"),
]
OPEN_GRAPH = [  # https://ogp.me/#array
    Situation(
        "og-page-and-file",
        metas(("og:video", "p"), ("og:video:type", "text/html"), ("og:video", "b.mp4")),
        B,
        by_itself=True,
    ),
    Situation("microdata", "<meta itemprop=contentURL content=clip.mp4>"),
    Situation(
        "og-several",
        metas(("og:video", "a.mp4"), ("og:video:height", 144), ("og:video", "b.mp4"), ("og:video:height", 360)),
        B,
    ),
    Situation("og-untold", metas(("og:video", "b.mp4"), ("og:video", "a.mp4")), B, by_itself=True),
    Situation("og-script", metas(("og:video", "stream.php?id=3"), ("og:video:type", "video/mp4")), "/films/stream.php"),
    Situation("og-reversed", "<meta content='clip.mp4' property='og:video:url'>"),
    Situation(
        "og-flash-first",
        metas(("og:video", "p.swf"), ("og:video:type", "application/x-shockwave-flash"), ("og:video", "clip.mp4")),
        by_itself=True,
    ),
    Situation(
        "og-one-twice",
        metas(("og:video", "b.mp4"), ("og:video:url", "b.mp4"), ("og:video:secure_url", "https://x.invalid/b.mp4")),
        B,
        by_itself=True,
    ),
]
FRAMES = [
    Situation(
        "nonsense-frame-first",
        "<iframe src='//HOST0/x'></iframe><iframe src=1></iframe>",
        pages={"/films/1": player("clip.mp4")},
    ),
    Situation(
        "missing-frame-first",
        "<iframe src=nowhere></iframe><iframe src=1></iframe>",
        pages={"/films/1": player("clip.mp4")},
    ),
    Situation(
        "json-ld-player",
        json_ld('{"@type":"VideoObject","embedUrl":"player\\/3"}'),
        pages={"/films/player/3": player("../clip.mp4")},
    ),
    Situation(
        "frame",
        "<iframe src='/u/SITE/player?id=3'></iframe>".replace("/u/SITE", "SITE"),
        pages={"/player": "<title>Player</title>" + player("films/clip.mp4")},
    ),
    Situation(
        "lazy-frame", "<iframe src=about:blank data-src=player></iframe>", pages={"/films/player": player("clip.mp4")}
    ),
    Situation(
        "frame-in-frame",
        "<iframe src=1></iframe>",
        pages={"/films/1": "<iframe src=2></iframe>", "/films/2": player("clip.mp4")},
    ),
    Situation("srcdoc", f'<iframe srcdoc="{escape(player("clip.mp4"))}"></iframe>'),
    Situation("frame-of-media", "<iframe src=clip.mp4></iframe>"),
    Situation(
        "second-frame",
        "<iframe src=menu></iframe><iframe src=1></iframe>",
        pages={"/films/menu": "", "/films/1": player("clip.mp4")},
    ),
    Situation(
        "twitter-player",
        "<meta name='twitter:player' content='SITE/films/player'>",
        pages={"/films/player": player("clip.mp4")},
    ),
    Situation(
        "og-player",
        metas(("og:video", "SITE/films/p.php"), ("og:video:type", "text/html")),
        pages={"/films/p.php": player("clip.mp4")},
    ),
    Situation(
        "own-video-first",
        "<iframe src=1></iframe>" + player("clip.mp4"),
        pages={"/films/1": player("b.mp4")},
        by_itself=True,
    ),
]
RSS, ATOM = (
    "<rss version='2.0'><channel><title>Tides</title>{}</channel></rss>",
    "<feed xmlns='http://www.w3.org/2005/Atom'><title>Tides</title>{}</feed>",
)
SOUND = "<item><title>Ebb</title><enclosure url='SITE/films/clip.mp4' type='audio/mpeg'/></item>"
FEEDS = [
    Situation(
        "atom-content",
        ATOM.format("<entry><title>Ebb</title><content src='clip.mp4' type='video/mp4'/></entry>"),
        title="Ebb",
    ),
    Situation("rss", RSS.format(SOUND), title="Ebb", by_itself=True),
    Situation(
        "rss-newest-without-sound",
        RSS.format("<item><title>News</title><link>SITE/films/news</link></item>" + SOUND),
        title="Ebb",
        pages={"/films/news": ""},
    ),
    Situation(
        "rss-picture-first",
        RSS.format("<item><title>Map</title><enclosure url='SITE/films/map.jpg' type='image/jpeg'/></item>" + SOUND),
        title="Ebb",
    ),
    Situation("rss-relative", RSS.format("<item><title>Ebb</title><enclosure url='clip.mp4'/></item>"), title="Ebb"),
    Situation("rss-blank-before", "\n <?xml version='1.0'?>" + RSS.format(SOUND), title="Ebb"),
    Situation("rss-bare-ampersand", RSS.format(SOUND.replace("Ebb", "Ebb & flow")), title="Ebb & flow"),
    Situation(
        "media-rss",
        RSS.format(
            "<item xmlns:m='http://search.yahoo.com/mrss/'><title>Ebb</title>"
            "<m:group><m:content url='clip.mp4' medium='video'/></m:group></item>"
        ),
        title="Ebb",
    ),
    Situation(
        "rss-1.0",
        "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:e='http://purl.oclc.org/net/rss_2.0/enc#'"
        " xmlns='http://purl.org/rss/1.0/'><item><title>Ebb</title><e:enclosure r:resource='clip.mp4'/></item></r:RDF>",
        title="Ebb",
    ),
    Situation(
        "atom",
        ATOM.format(
            "<entry><title>News</title><link href='n'/></entry><entry><title type='html'>Ebb</title>"
            "<link rel='enclosure' type='audio/mpeg' href='clip.mp4'/></entry>"
        ),
        title="Ebb",
    ),
    Situation(
        "atom-base",
        ATOM.format("<entry xml:base='../media/'><title>Ebb</title><link rel='enclosure' href='clip.mp4'/></entry>"),
        ELSEWHERE,
        "Ebb",
    ),
    Situation(
        "untitled", RSS.format("<item><enclosure url='SITE/films/clip.mp4'/></item>"), title="clip", by_itself=True
    ),
]
SITUATIONS = [*BASE, *ENDINGS, *SIZES, *PLAYERS, *JSON_LD, *OPEN_GRAPH, *FRAMES, *FEEDS]
MEDIA = {situation.right for situation in SITUATIONS} | {f"/films/{name}.mp4" for name in ("a", "b", "c", "a-144p")}


@pytest.fixture(scope="module")
def pages(origin: Origin) -> list[tuple[str, str]]:
    """The addresses of all situations' pages, with a format. What they name is there, whatever its name."""
    urls = []
    for situation in SITUATIONS:
        site = origin.site()
        for path in MEDIA:
            site.put(path, File("clip.mp4", b"", media_type="video/mp4"))
        for path, content in situation.pages.items():
            site.put(path, page(content, "Another"))
        content = situation.content.replace("SITE", site.base).replace("//HOST", site.base.partition(":")[2])
        url = site.put("/films/harbour", text(content, "xml") if situation in FEEDS else page(content))
        urls.append((url, "1080-any"))
    return urls


@pytest.fixture(scope="module")
def found(pages: list[tuple[str, str]]) -> dict[str, Extracted]:
    return dict(zip([each.name for each in SITUATIONS], extract(pages, patched=True), strict=True))


@pytest.fixture(scope="module")
def found_by_itself(pages: list[tuple[str, str]]) -> dict[str, Extracted]:
    return dict(zip([each.name for each in SITUATIONS], extract(pages, patched=False), strict=True))


def described(extracted: Extracted) -> tuple[str, str, str]:
    """The path on its site, the extension, and the title."""
    path = urlsplit(extracted.url).path
    return re.sub("^/u/[^/]+", "", path), extracted.extension, extracted.title


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
def test_the_video_of_a_page(situation: Situation, found: dict[str, Extracted]) -> None:
    assert described(found[situation.name]) == (situation.right, "mp4", situation.title), found[situation.name]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
def test_which_of_them_yt_dlp_finds_by_itself(situation: Situation, found_by_itself: dict[str, Extracted]) -> None:
    """Where it errs no more, a change of it has become needless."""
    path, extension, title = described(found_by_itself[situation.name])
    right = (path, extension, title.removesuffix(" (1)")) == (situation.right, "mp4", situation.title)
    assert right is situation.by_itself, found_by_itself[situation.name]


def test_yt_dlp_numbers_titles_by_itself(found_by_itself: dict[str, Extracted]) -> None:
    assert found_by_itself["own-video-first"].title == "Harbour (1)"
