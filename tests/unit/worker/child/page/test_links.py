import json
from typing import Any

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.links import MAX_LINKS, PageLink, find_listed_pages, find_media_links

URL = "https://example.org/films/"


def media(text: str) -> list[PageLink]:
    return find_media_links(Page.parse(URL, text), text).links


def listed(*documents: Any) -> list[PageLink]:
    return find_listed_pages(Page.parse(URL, ""), json.loads(json.dumps(documents))).links


def test_an_index_of_a_folder() -> None:
    text = """<a href="?C=N;O=D">Name</a> <a href="/">Up</a> <a href="a%20b.mp4">a b.mp4</a><A HREF='B.MKV'>B</A>
        <a class="x" href=c.webm download>C <b>film</b></a> <a href="a%20b.mp4">again</a> <a href="poster.jpg">P</a>
        <a href="d.mp4?x=1&amp;y=2">D</a> <a href="javascript:x.mp4">no</a> <a href="notes.txt">N</a>"""

    assert media(text) == [
        PageLink(URL + "a%20b.mp4", "a b.mp4"),
        PageLink(URL + "B.MKV", "B"),
        PageLink(URL + "c.webm", "C film"),
        PageLink(URL + "d.mp4?x=1&y=2", "D"),
    ]


def test_a_page_with_more_links_than_that_ends() -> None:
    assert len(media("".join(f"<a href={at}.mp4>x</a>" for at in range(MAX_LINKS + 10)))) == MAX_LINKS
    assert media("<a href=" * 100_000 + "<a " + "x " * 100_000) == []


def test_a_list_in_json_ld() -> None:
    items = [
        {"@type": "ListItem", "position": 1, "url": "1", "name": "One"},
        {"@type": "ListItem", "item": {"@type": "Movie", "url": "2", "name": "Two"}},
        {"@type": "ListItem", "item": "https://example.org/3"},
        "4",
        {"@type": "ListItem", "item": {"@id": "1"}},
        {"@type": "ListItem", "url": ["x"]},
        {"@type": "ListItem", "url": URL},
        7,
    ]

    assert listed({"@graph": [{"@type": "ItemList", "itemListElement": items}]}) == [
        PageLink(URL + "1", "One"), PageLink(URL + "2", "Two"), PageLink("https://example.org/3"), PageLink(URL + "4"),
    ]  # fmt: skip
    assert listed({"@type": "BreadcrumbList", "itemListElement": items}) == []
