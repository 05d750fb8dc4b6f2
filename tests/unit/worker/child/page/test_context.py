"""How a page joins addresses, what it tells of itself to others, and that reading it ends."""

import time

import pytest

from vidferry_worker.child.page import context, feeds, frames, opengraph, players, titles
from vidferry_worker.child.page.context import Page, join_url

PAGE = "https://user:secret@www.a.example/films/harbour?x=1#part"
WHOLE, ORIGIN = "https://www.a.example/films/harbour?x=1", "https://www.a.example/"


@pytest.mark.parametrize(
    ("policy", "same", "other", "downgraded"),
    [
        ("", WHOLE, ORIGIN, None),
        ("strict-origin-when-cross-origin", WHOLE, ORIGIN, None),
        ("no-such-policy", WHOLE, ORIGIN, None),
        ("default", WHOLE, ORIGIN, None),
        ("no-referrer", None, None, None),
        ("never", None, None, None),
        ("no-referrer-when-downgrade", WHOLE, WHOLE, None),
        ("origin", ORIGIN, ORIGIN, ORIGIN),
        ("origin-when-cross-origin", WHOLE, ORIGIN, ORIGIN),
        ("same-origin", WHOLE, None, None),
        ("strict-origin", ORIGIN, ORIGIN, None),
        ("unsafe-url", WHOLE, WHOLE, WHOLE),
        ("origin, no-such-policy", ORIGIN, ORIGIN, ORIGIN),
    ],
)
def test_the_referer_is_what_browsers_send(
    policy: str, same: str | None, other: str | None, downgraded: str | None
) -> None:
    """W3C Referrer Policy §8.3; the header and the meta element alike."""
    targets = ("https://www.a.example/clip.mp4", "https://cdn.a.example/clip.mp4", "http://www.a.example/clip.mp4")
    by_header = Page.parse(PAGE, "", {"Referrer-Policy": policy})

    assert tuple(map(by_header.referer_for, targets)) == (same, other, downgraded)
    if "," not in policy:
        by_element = Page.parse(PAGE, f"<meta name=Referrer content='{policy}'>")
        assert tuple(map(by_element.referer_for, targets)) == (same, other, downgraded)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("clip.mp4", "https://a.example/films/clip.mp4"),
        (" /clip.mp4\n", "https://a.example/clip.mp4"),
        ("cl\nip.mp4", "https://a.example/films/clip.mp4"),
        ("//b.example/clip.mp4", "https://b.example/clip.mp4"),
        ("?id=3", "https://a.example/films/harbour?id=3"),
        ("clip.mp4#t=3", "https://a.example/films/clip.mp4"),
        ("blob:https://a.example/1", None),
        ("ftp://a.example/clip.mp4", None),
        ("https://[broken/clip.mp4", None),
        ("https://a..b/clip.mp4", None),
        ("https://a.example:99999/clip.mp4", None),
        ("\ud800.mp4", None),
        ("", None),
        (None, None),
    ],
)
def test_addresses_are_joined_as_browsers_join_them(reference: str | None, expected: str | None) -> None:
    assert join_url("https://a.example/films/harbour", reference) == expected


@pytest.mark.parametrize(
    ("page", "target", "same"),
    [
        ("a.example", "a.example:8080", True),
        ("www.a.example", "player.a.example", True),
        ("a.example", "b.example", False),
        ("a.co.uk", "b.co.uk", False),
        ("www.a.co.uk", "tv.a.co.uk", True),
        ("10.0.0.1", "20.0.0.1", False),
        ("[::1]", "[::1]:81", True),
    ],
)
def test_a_site_is_what_one_has_registered(page: str, target: str, same: bool) -> None:
    assert Page.parse(f"http://{page}/", "").is_same_site(f"http://{target}/") is same


def test_a_referer_of_no_page_stays_as_it_is() -> None:
    """Extractors of sites know what those want."""
    assert (
        context.limit_referer("https://site.example/player", "https://cdn.example/1.ts")
        == "https://site.example/player"
    )


@pytest.mark.parametrize(
    "piece",
    ["<meta x ", '<meta "', "<meta a='", '<meta a="" ', "<", "<!--", "<h1>", "<title ", "<video ", "<video>", "<base ",
     "<iframe src=", "<iframe src=x>", '<meta property="og:video" content="x">', '"embedUrl":"'],
)  # fmt: skip
def test_no_page_is_endless_work(piece: str) -> None:
    text = piece * (500_000 // len(piece))
    began = time.process_time()
    page = Page.parse(PAGE, text)
    players.find_players(page, text)
    opengraph.find_videos(page, text)
    opengraph.find_media_tags(text)
    assert len(frames.find_frames(page, text)) <= frames.MAX_FRAMES
    list(titles.find_titles(text))
    feeds.parse_feed(text)

    assert time.process_time() - began < 5
