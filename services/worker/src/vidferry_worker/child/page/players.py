"""The media elements of a page (HTML §4.8), and those of AMP and Delight VR, each with its sources."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.html_tags import PLAYERS, Tag, find_tags
from vidferry_worker.child.page.sources import Source, lines_in, size_of
from vidferry_worker.child.page_limits import check_json

_ADDRESSES = ("src", "data-video-src", "data-src", "data-source")
"""HTML's, and those from which scripts take it"""
_MADE_BY_SCRIPTS = ("{{", "${", "' +", "'+", '" +', '"+')
_FOREIGN = re.compile(r"(?!https?:|blob:|about:|javascript:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
MOST_SET_UP = 100
"""sources that a player is set up with"""
_LAST = 1000
"""the rank of what is meant for a small screen"""


@dataclass
class Player:
    poster: str | None
    is_audio: bool
    sources: list[Source] = field(default_factory=list)


def find_players(page: Page, text: str) -> list[Player]:
    """Those that have a source, in the page's order; what is in a comment counts where there are no others."""
    tags = list(_find_tags(text))
    return list(_read(page, [tag for tag in tags if not tag.is_commented])) or list(_read(page, tags))


def _find_tags(text: str) -> Iterator[Tag]:
    """Those of players and sources; also within what an iframe holds itself."""
    for tag in find_tags({*PLAYERS, "source", "iframe"}, text):
        if tag.name != "iframe":
            yield tag
        elif "srcdoc" in tag.attributes and not tag.is_commented:
            yield from find_tags({*PLAYERS, "source"}, tag.attributes["srcdoc"])


def _read(page: Page, tags: list[Tag]) -> Iterator[Player]:
    player: Player | None = None
    for tag in tags:
        if tag.name == "source":
            if player:
                _add(page, player, tag)
            continue
        if player and player.sources:
            yield _sized(player)
        player = None
        if not tag.name.startswith("/"):
            player = Player(tag.attributes.get("poster"), tag.name.endswith("audio"))
            for source in (tag, *_set_up(tag)):
                _add(page, player, source)
            if tag.is_closed and player.sources:  # browsers read over the slash; pages that write it mean it
                yield _sized(player)
                player = None
    if player and player.sources:
        yield _sized(player)


def _set_up(tag: Tag) -> Iterator[Tag]:
    """The sources in a Video.js player's data-setup, as if they were elements."""
    text = tag.attributes.get("data-setup", "null")
    check_json(text)
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return
    sources = told.get("sources") if isinstance(told, dict) else None
    for each in sources[:MOST_SET_UP] if isinstance(sources, list) else ():
        if isinstance(each, dict):
            attributes = {key: str(value).strip() for key, value in each.items() if isinstance(value, str | int)}
            yield replace(tag, name="source", attributes=attributes)


def _add(page: Page, player: Player, tag: Tag) -> None:
    """Adds the source that a tag names, if any."""
    address = _find_address(page, tag)
    if address is None or any(address == source.address for source in player.sources):
        return
    width, height = size_of(tag.attributes) if tag.name == "source" else (None, None)  # a player's own is its frame's
    is_small = "max-width" in tag.attributes.get("media", "")
    player.sources.append(
        Source(
            address,
            tag.attributes.get("type", ""),
            width,
            height,
            (tag.attributes.get("label") or tag.attributes.get("title") or "")[:100] or None,
            player.is_audio,
            len(player.sources) + (_LAST if is_small else 0),
        )
    )


def _find_address(page: Page, tag: Tag) -> str | None:
    for name in _ADDRESSES:
        told = tag.attributes.get(name, "")
        if told and not any(map(told.__contains__, _MADE_BY_SCRIPTS)):
            address = page.join(told)
            if address:
                return address
            if _FOREIGN.match(told):
                page.foreign.append(told)
    return None


def _sized(player: Player) -> Player:
    """Where no source tells its size, but there are several, their names may."""
    if len(player.sources) > 1 and not any(source.height or source.width for source in player.sources):
        player.sources = [replace(source, height=lines_in(source.address)) for source in player.sources]
    return player
