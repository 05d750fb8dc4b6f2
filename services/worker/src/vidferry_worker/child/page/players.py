"""Finds the media elements of a page (HTML §4.8), also those of AMP and Delight VR, with their sources."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.html_tags import MEDIA_ELEMENTS, Tag, find_tags
from vidferry_worker.child.page.sources import MediaSource, height_in_name, read_size
from vidferry_worker.child.page_limits import check_json

_URL_ATTRIBUTES = ("src", "data-video-src", "data-src", "data-source")
"""HTML's attribute, and those that scripts read"""
_MADE_BY_SCRIPTS = ("{{", "${", "' +", "'+", '" +', '"+')
_FOREIGN = re.compile(r"(?!https?:|blob:|about:|javascript:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_JWPLAYER = re.compile(
    r"""jwplayer\s{0,9}\([^()]{0,200}\)\s{0,9}\.setup\s{0,9}\(\s{0,99}\{[^{}]{0,2000}?\bfile["']?\s{0,9}:\s{0,9}["']([^"'<>\s]{1,2000})"""
)
MAX_SETUP_SOURCES = 100
"""sources in a data-setup attribute"""
_SMALL_SCREEN_RANK = 1000
"""the rank of sources for small screens"""


@dataclass
class Player:
    """A media element with its sources."""

    poster: str | None
    is_audio: bool
    sources: list[MediaSource] = field(default_factory=list)


def find_jwplayer_files(page: Page, text: str) -> list[str]:
    """The URLs of the files that scripts hand to JW Player, in the page's order, each once."""
    files = (page.resolve(match[1]) for match in islice(_JWPLAYER.finditer(text), MAX_SETUP_SOURCES))
    return list(dict.fromkeys(filter(None, files)))


def find_players(page: Page, text: str) -> list[Player]:
    """The players with a source, in the page's order; those in comments only where there are no others."""
    tags = list(_find_tags(text))
    return list(_read_players(page, [tag for tag in tags if not tag.is_commented])) or list(_read_players(page, tags))


def _find_tags(text: str) -> Iterator[Tag]:
    """The tags of players and sources, also in the srcdoc of an iframe."""
    for tag in find_tags({*MEDIA_ELEMENTS, "source", "iframe"}, text):
        if tag.name != "iframe":
            yield tag
        elif "srcdoc" in tag.attributes and not tag.is_commented:
            yield from find_tags({*MEDIA_ELEMENTS, "source"}, tag.attributes["srcdoc"])


def _read_players(page: Page, tags: list[Tag]) -> Iterator[Player]:
    player: Player | None = None
    for tag in tags:
        if tag.name == "source":
            if player:
                _add_source(page, player, tag)
            continue
        if player and player.sources:
            yield _with_heights(player)
        player = None
        if not tag.name.startswith("/"):
            player = Player(tag.attributes.get("poster"), tag.name.endswith("audio"))
            for source in (tag, *_read_data_setup(tag)):
                _add_source(page, player, source)
            if tag.is_closed and player.sources:  # browsers ignore the slash, but pages mean it
                yield _with_heights(player)
                player = None
    if player and player.sources:
        yield _with_heights(player)


def _read_data_setup(tag: Tag) -> Iterator[Tag]:
    """The sources in the data-setup attribute of Video.js, as source elements."""
    text = tag.attributes.get("data-setup", "null")
    check_json(text)
    try:
        setup = json.loads(text)
    except (ValueError, RecursionError):
        return
    sources = setup.get("sources") if isinstance(setup, dict) else None
    for each in sources[:MAX_SETUP_SOURCES] if isinstance(sources, list) else ():
        if isinstance(each, dict):
            attributes = {key: str(value).strip() for key, value in each.items() if isinstance(value, str | int)}
            yield replace(tag, name="source", attributes=attributes)


def _add_source(page: Page, player: Player, tag: Tag) -> None:
    """Adds the source of a tag, if it has one."""
    url = _find_url(page, tag)
    if url is None or any(url == source.url for source in player.sources):
        return
    # A player's own width and height are those of its box on the page.
    width, height = read_size(tag.attributes) if tag.name == "source" else (None, None)
    is_small = "max-width" in tag.attributes.get("media", "")
    player.sources.append(
        MediaSource(
            url,
            tag.attributes.get("type", ""),
            width,
            height,
            (tag.attributes.get("label") or tag.attributes.get("title") or "")[:100] or None,
            player.is_audio,
            len(player.sources) + (_SMALL_SCREEN_RANK if is_small else 0),
        )
    )


def _find_url(page: Page, tag: Tag) -> str | None:
    for name in _URL_ATTRIBUTES:
        reference = tag.attributes.get(name, "")
        if reference and not any(map(reference.__contains__, _MADE_BY_SCRIPTS)):
            url = page.resolve(reference)
            if url:
                return url
            if _FOREIGN.match(reference):
                page.foreign_urls.append(reference)
    return None


def _with_heights(player: Player) -> Player:
    """Takes the heights from the file names, where several sources have no size."""
    if len(player.sources) > 1 and not any(source.height or source.width for source in player.sources):
        player.sources = [replace(source, height=height_in_name(source.url)) for source in player.sources]
    return player
