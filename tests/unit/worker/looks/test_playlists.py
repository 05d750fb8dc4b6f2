"""What a reader takes of what a child lists, and what it says of the rest. Children themselves: system/downloads."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from vidferry_common.contract.batches import Entry, PlaylistRequest
from vidferry_worker.children.protocol import ListedEntry, LookOrder, VideosListed
from vidferry_worker.looks import playlists
from vidferry_worker.looks.playlists import PlaylistReader

pytestmark = pytest.mark.anyio

LIST = "https://example.org/list"
MOST = 3


def url(number: int) -> str:
    return f"https://example.org/{number}"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> PlaylistReader:
    """Of a worker that takes MOST entries, whose children list as many of five as they are told."""

    async def list_five(_: Any, order: LookOrder, __: str) -> AsyncGenerator[VideosListed]:
        count = min(5, order.most)
        for number in range(count):
            yield VideosListed([ListedEntry(url(number), "", None)], "A list")
        yield VideosListed([], "A list", done=True, is_cut=order.newest_first)

    monkeypatch.setattr(playlists, "look_at", list_five)
    settings: Any = SimpleNamespace(look_slots=1, max_entries=MOST, stall_seconds=1, extract_seconds=20)
    context: Any = SimpleNamespace(settings=settings)
    return PlaylistReader(context)


async def taken(reader: PlaylistReader, known: int = 0, **asked: Any) -> tuple[list[int], list[str]]:
    """The numbers of the entries, and the warnings."""
    pages = [
        page
        async for page in reader.read_entries(PlaylistRequest(LIST, **asked), [Entry(url(n)) for n in range(known)])
    ]
    numbers = [int(entry.url.rpartition("/")[2]) for page in pages for entry in page.entries]
    return numbers, [warning.message.partition(".")[0] for page in pages for warning in page.warnings]


MORE, LONGER = (
    "The playlist has more videos",
    "The playlist is longer than what is read of it: 5,000 entries at the most",
)


@pytest.mark.parametrize(
    ("asked", "known", "numbers", "warnings"),
    [
        ({}, 0, [0, 1, 2], [MORE]),
        ({"limit": 4}, 0, [0, 1, 2], [MORE]),
        ({"items": "1-9"}, 0, [0, 1, 2], [MORE]),
        ({}, 2, [2], [MORE]),
        ({}, 3, [], [MORE]),
        ({"limit": 3}, 3, [], []),
        ({"limit": 3}, 0, [0, 1, 2], []),
        ({"items": "1-9", "limit": 2}, 0, [0, 1], []),
        ({"limit": 3, "newest_first": True}, 0, [0, 1, 2], []),
    ],
)  # fmt: skip
async def test_it_warns_where_the_operator_and_not_the_caller_leaves_out_videos(
    reader: PlaylistReader, asked: dict[str, Any], known: int, numbers: list[int], warnings: list[str]
) -> None:
    assert await taken(reader, known, **asked) == (numbers, warnings)


async def test_it_warns_of_a_list_that_is_not_read_to_its_end(reader: PlaylistReader, monkeypatch: Any) -> None:
    assert MOST < 5
    monkeypatch.setattr(reader._context.settings, "max_entries", 9)
    assert await taken(reader, newest_first=True) == ([0, 1, 2, 3, 4], [LONGER])
    assert await taken(reader) == ([0, 1, 2, 3, 4], [])
