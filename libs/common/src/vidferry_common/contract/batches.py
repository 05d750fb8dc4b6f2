"""What a batch is made of: its entries, and which entries of a playlist are asked for."""

import re
from dataclasses import dataclass
from uuid import UUID, uuid5

MAX_URLS = 1000
"""of a batch that is made of a list of URLs"""
MAX_ITEMS_TEXT = 1000
"""characters of `items`"""
MAX_POSITION = 1_000_000
"""the last place in a playlist that `items` may name"""
MAX_TITLE = 500
"""characters of an entry's or a playlist's title"""
_RANGE = re.compile(r"([1-9]\d{0,6})(?:-([1-9]\d{0,6}))?")


@dataclass(frozen=True, slots=True)
class Entry:
    """A video that a batch makes a job for."""

    url: str
    """as the caller or the site wrote it, absolute; it may be one that no job can be made of"""
    title: str = ""
    """as the playlist tells it; empty: unknown"""
    duration: float | None = None
    """seconds, as the playlist tells it"""
    retry_of: str = ""
    """the job that the entry's job tries again"""


@dataclass(frozen=True, slots=True)
class PlaylistRequest:
    """A playlist, and which of its entries are asked for."""

    url: str
    """canonical"""
    items: str = ""
    """places in the playlist as parse_items() reads them; empty: all"""
    limit: int | None = None
    """the most entries; the first ones of those that `items` and `newest_first` select"""
    newest_first: bool = False
    """whether the entries are taken in the order of their dates, the newest first, instead of the playlist's"""


def parse_items(text: str) -> tuple[tuple[int, int], ...]:
    """The first and last place of each range in a text such as `1-50,60`. Places count from 1.

    Raises ValueError, with a sentence for the caller.
    """
    ranges = [_RANGE.fullmatch(part.strip()) for part in text.split(",")]
    found = tuple((int(each[1]), int(each[2] or each[1])) for each in ranges if each)
    if len(found) < len(ranges) or any(not first <= last <= MAX_POSITION for first, last in found):
        raise ValueError("name places in the playlist, from 1 on, such as 1-50,60")
    return found


def child_id(batch_id: str, index: int) -> str:
    """The id of the job that a batch makes of its entry at that index, from 0 on. The same each time it is made."""
    return str(uuid5(UUID(batch_id), str(index)))
