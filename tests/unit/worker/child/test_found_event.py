"""What the worker is told of the video that was found."""

import pytest

from vidferry_worker.child.found_event import is_title_from_url

FILE = "https://a.example/films/clip.mp4"


@pytest.mark.parametrize(
    ("title", "url", "page", "is_from_url"),
    [
        ("clip", FILE, FILE, True),
        ("clip", "https://a.example/get?id=1", FILE, True),  # by a redirect
        ("a.example", "https://a.example/", "https://a.example/", True),
        ("video", FILE, FILE, True),  # which any video could be called, so the URL names it
        ("", "https://a.example/", "https://a.example/", True),
        ("A walk in the park", FILE, FILE, False),
    ],
)
def test_whether_only_the_url_names_it(title: str, url: str, page: str, *, is_from_url: bool) -> None:
    assert is_title_from_url({"title": title, "original_url": url, "webpage_url": page}) is is_from_url
