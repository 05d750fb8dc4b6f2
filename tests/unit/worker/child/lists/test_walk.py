"""Lists as extractors return them: flat, lazy, within each other."""

from collections.abc import Iterator
from typing import Any

import pytest
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, OnDemandPagedList

from vidferry_common.contract.batches import parse_items
from vidferry_worker.child import options
from vidferry_worker.child.lists.extractors import extract_unprocessed
from vidferry_worker.child.lists.refusal import reduce_to_video
from vidferry_worker.child.lists.selection import Selection
from vidferry_worker.child.lists.walk import MAX_NESTED, ListWalker
from vidferry_worker.child.site_downloader import SiteDownloader

ROOT = "https://lists.invalid"
RELATIVE = [{"_type": "url", "url": f"/watch/{number}", "ie_key": "ListsVideo"} for number in range(3)]


class ListsVideoIE(InfoExtractor):  # type: ignore[misc]
    _VALID_URL = ROOT + r"/watch/(?P<id>\w+)"
    _TESTS = ({"url": f"{ROOT}/watch/1"},)

    def _real_extract(self, url: str) -> Any:
        raise AssertionError(url)  # no video of a list is asked for


class ListsIE(InfoExtractor):  # type: ignore[misc]
    """Answers with the list that the test names."""

    _VALID_URL = ROOT + r"/list/(?P<id>\w+)"
    _TESTS = ({"url": f"{ROOT}/list/1", "playlist_count": 3},)
    lists: dict[str, Any] = {}  # noqa: RUF012 - set by each test

    def _real_extract(self, url: str) -> Any:
        entries = self.lists[self._match_id(url)]
        if isinstance(entries, Exception):
            raise entries
        return self.playlist_result(entries, self._match_id(url), "A list")


@pytest.fixture
def ydl(monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteDownloader]:
    monkeypatch.setattr(ListsIE, "lists", {})
    with SiteDownloader(options.base_options() | {"logger": None}) as found:
        for extractor in (ListsVideoIE, ListsIE):
            found.add_info_extractor(extractor())
        yield found


def urls(ydl: SiteDownloader, path: str = "/list/1") -> list[str]:
    found = extract_unprocessed(ydl, ROOT + path, "Lists")
    return [video.url.removeprefix(ROOT) for video in ListWalker(ydl).walk(found, ROOT + path)]


def nested(name: str) -> dict[str, Any]:
    return {"_type": "url", "url": f"{ROOT}/list/{name}", "ie_key": "Lists"}


def test_relative_urls_are_the_lists(ydl: SiteDownloader) -> None:
    ListsIE.lists["1"] = RELATIVE

    assert urls(ydl) == ["/watch/0", "/watch/1", "/watch/2"]


def test_a_thousand_of_which_some_are_there_twice_and_some_are_broken(ydl: SiteDownloader) -> None:
    """What an extractor says nothing of is left out. What only the list leads to stays, as a job that fails."""
    videos = [{"_type": "url", "url": f"/watch/{number}", "ie_key": "ListsVideo"} for number in range(1000)]
    broken = [None, "no entry", {"_type": "url", "url": "http://[x/"}, {"_type": "url"}, {"url": 7}] * 10
    ListsIE.lists["1"] = [*videos[:500], *broken, *videos[500:], *videos[:100]]
    found = extract_unprocessed(ydl, f"{ROOT}/list/1", "Lists")
    listed = [video.url for video in Selection(most=5000).select(ListWalker(ydl).walk(found, f"{ROOT}/list/1"))]

    assert [url for url in listed if url] == [f"{ROOT}/watch/{number}" for number in range(1000)]
    assert len(listed) == 1030


@pytest.mark.parametrize(
    ("length", "places", "is_cut"), [(5001, "", True), (5000, "", False), (6000, "1-5000", False), (6000, "5001", True)]
)
def test_a_list_that_is_not_read_to_its_end_is_cut(
    ydl: SiteDownloader, length: int, places: str, *, is_cut: bool
) -> None:
    """Where somebody wants what comes then."""
    ListsIE.lists["1"] = [{"_type": "url", "url": f"/watch/{number}"} for number in range(length)]
    found = extract_unprocessed(ydl, f"{ROOT}/list/1", "Lists")
    walker = ListWalker(ydl)
    selection = Selection(parse_items(places) if places else (), most=9000)
    listed = list(selection.select(walker.walk(found, f"{ROOT}/list/1")))

    assert (len(listed), walker.is_cut) == (0 if places == "5001" else 5000, is_cut)


def test_a_long_list_is_read_page_by_page(ydl: SiteDownloader) -> None:
    asked = []

    def read_page(number: int) -> list[dict[str, Any]]:
        asked.append(number)
        return [{"_type": "url", "url": f"/watch/{number}-{at}"} for at in range(50)]

    ListsIE.lists["1"] = OnDemandPagedList(read_page, 50)
    found = extract_unprocessed(ydl, f"{ROOT}/list/1", "Lists")
    walk = ListWalker(ydl).walk(found, f"{ROOT}/list/1")

    assert [next(walk).url for _ in range(51)][-1] == f"{ROOT}/watch/1-0"
    assert asked == [0, 1]


def test_the_tabs_of_a_channel_are_read_in_their_place(ydl: SiteDownloader) -> None:
    """Once each, though two tabs lead to the third, and a tab that fails stays an entry."""
    ListsIE.lists |= {
        "1": [nested("2"), *RELATIVE[:1], nested("3"), nested("4")],
        "2": [*RELATIVE[1:2], nested("3")],
        "3": [*RELATIVE[2:], None],
        "4": ExtractorError("this tab is private", expected=True),
    }

    assert urls(ydl) == ["/watch/1", "/watch/2", "/watch/0", "/list/4"]


def test_lists_that_lead_to_lists_end(ydl: SiteDownloader) -> None:
    """In a circle, in depth, and in number."""
    ListsIE.lists |= {str(number): [nested(str(number + at)) for at in range(20)] for number in range(200)}

    assert 0 < len(urls(ydl, "/list/0")) < 20 * (MAX_NESTED + 1)


def test_lists_within_a_result_are_flat(ydl: SiteDownloader) -> None:
    ListsIE.lists["1"] = [{"_type": "playlist", "entries": iter(RELATIVE)}, {"_type": "url", "url": "/watch/9"}]

    assert urls(ydl) == ["/watch/0", "/watch/1", "/watch/2", "/watch/9"]


def counted(ydl: SiteDownloader, entries: Any, **more: Any) -> Any:
    """What is left for a download; of a list of several, the number of entries that is told."""
    found = {"_type": "playlist", "webpage_url": ROOT, "extractor_key": "Lists", "entries": entries, **more}
    try:
        others = reduce_to_video(ydl, found)
    except Exception as refusal:  # noqa: BLE001
        return getattr(refusal, "entries", refusal)
    return list(found["entries"]), [video.url for video in others]


def test_a_download_takes_one_video_and_no_list(ydl: SiteDownloader) -> None:
    videos = [{"id": str(at), "url": f"https://cdn.example/{at}.mp4"} for at in range(3)]

    assert counted(ydl, RELATIVE) == 3
    assert counted(ydl, RELATIVE * 2) == 3
    assert counted(ydl, iter(RELATIVE), playlist_count=500) == 500
    assert counted(ydl, [nested("1"), nested("2")]) is None
    assert counted(ydl, ({"_type": "url", "url": f"/watch/{at}"} for at in range(9000))) == 1001
    assert counted(ydl, [None, RELATIVE[0], RELATIVE[0]]) == ([RELATIVE[0]], [])
    assert counted(ydl, [nested("1")]) == ([nested("1")], [])
    assert counted(ydl, []) == ([], [])
    assert counted(ydl, videos) == (videos[:1], ["https://cdn.example/1.mp4", "https://cdn.example/2.mp4"])
    assert counted(ydl, videos, extractor_key="Generic") == 3
