from collections.abc import Iterator

import pytest

from vidferry_common.contract.batches import parse_items
from vidferry_worker.child.lists.listed_video import ListedVideo
from vidferry_worker.child.lists.selection import Selection


def videos(names: str) -> list[ListedVideo]:
    """One for each word: its name, and the time after a slash."""
    parts = (word.partition("/") for word in names.split())
    return [ListedVideo(f"https://example.org/{name}", timestamp=float(at) if at else None) for name, _, at in parts]


def names(found: Iterator[ListedVideo]) -> str:
    return " ".join(video.url.rpartition("/")[2] for video in found)


@pytest.mark.parametrize(
    ("selection", "listed", "expected"),
    [
        (Selection(), "a b c", "a b c"),
        (Selection(most=2), "a b c", "a b"),
        (Selection(parse_items("2-3,5")), "a b c d e f", "b c e"),
        (Selection(parse_items("5,2-3,2")), "a b c d e f", "b c e"),
        (Selection(parse_items("2-9"), most=2), "a b c d", "b c"),
        (Selection(parse_items("7")), "a b c", ""),
        (Selection(), "a b a c b", "a b c"),
        (Selection(parse_items("1-3"), most=3), "a a b c", "a b"),
        (Selection(newest_first=True), "a/1 b/3 c/2", "b c a"),
        (Selection(parse_items("1-2"), newest_first=True), "a/1 b/3 c/2", "b c"),
        (Selection(most=1, newest_first=True), "a/1 b/3 c/2", "b"),
        (Selection(newest_first=True), "a b c", "a b c"),
        (Selection(newest_first=True), "a/1 b c/2", "c a b"),
        (Selection(newest_first=True), "a b/2 c/2", "a b c"),
    ],
)
def test_what_is_asked_for_comes_once_and_in_order(selection: Selection, listed: str, expected: str) -> None:
    assert names(selection.select(videos(listed))) == expected


def test_one_video_has_several_spellings() -> None:
    same = [ListedVideo(f"https://EXAMPLE.org:443/a{end}") for end in ("", "#t=1")]

    assert list(Selection().select(same)) == same[:1]


def test_entries_without_a_url_all_stay() -> None:
    assert len(list(Selection().select([ListedVideo(""), ListedVideo("")]))) == 2


def test_no_more_of_a_list_is_read_than_is_needed() -> None:
    """Each page of a list is a request."""

    def endless() -> Iterator[ListedVideo]:
        number = 0
        while True:
            number += 1
            assert number <= 4
            yield ListedVideo(f"https://example.org/{number}")

    assert names(Selection(parse_items("2-3")).select(endless())) == "2 3"
    assert names(Selection(most=4).select(endless())) == "1 2 3 4"
