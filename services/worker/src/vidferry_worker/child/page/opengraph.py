"""The videos that a page's Open Graph properties name (https://ogp.me/#structured): alternatives of one."""

from dataclasses import dataclass, replace

from vidferry_common.contract import thumbnails
from vidferry_worker.child.page.document import Page
from vidferry_worker.child.page.sources import Source, lines_in
from vidferry_worker.child.page.tags import Tag, find_metas

MOST = 100
"""alternatives"""


_MICRODATA = "contenturl"
"""as the itemprop of a schema.org VideoObject: an address of the same video"""


@dataclass
class _Group:
    """A property `og:video` and those that describe it."""

    kind: str
    url: str = ""
    secure_url: str = ""
    media_type: str = ""
    width: str = ""
    height: str = ""
    named_twice: bool = False
    """by `og:video` and by `og:video:url`"""


def find_tags_of_media(text: str) -> list[Tag]:
    """The meta elements that name a video or sound, or describe one."""
    return [tag for name, _, tag in find_metas(text) if name.startswith(("og:video", "og:audio", _MICRODATA))]


def find_videos(page: Page, text: str) -> list[Source]:
    """The alternatives that may be media, in the page's order; where there are videos, sound alone is none of them."""
    sources = [source for group in _groups(text) if (source := _source(page, group))]
    found = [source for source in sources if not source.is_audio] or sources
    if len(found) > 1 and not any(source.height or source.width for source in found):
        found = [replace(source, height=lines_in(source.address)) for source in found]
    return [replace(source, rank=rank) for rank, source in enumerate(found)]


def find_embedded_pages(page: Page, text: str) -> list[str]:
    """The addresses of players that are pages themselves, of the types text/html and none."""
    named = [group for group in _groups(text) if group.media_type.startswith(("text/html", "application/xhtml"))]
    addresses = (page.join(group.url) or page.join(group.secure_url) for group in named)
    return [address for address in addresses if address]


def _groups(text: str) -> list[_Group]:
    groups: list[_Group] = []
    for told, content, _ in find_metas(text):
        name = "og:video" if told == _MICRODATA else told
        kind, _, rest = name.removeprefix("og:").partition(":")
        if not name.startswith("og:") or kind not in {"video", "audio"} or len(groups) > MOST:
            continue
        if rest in {"", "url", "secure_url"}:
            _name(groups, kind, rest, content)
        elif groups and groups[-1].kind == kind and rest in {"type", "width", "height"}:
            field = "media_type" if rest == "type" else rest
            setattr(groups[-1], field, getattr(groups[-1], field) or content.strip().lower())
    return groups


def _name(groups: list[_Group], kind: str, rest: str, content: str) -> None:
    """An address: of the group before, where that has none of that sort, else of a new one."""
    last = groups[-1] if groups and groups[-1].kind == kind else None
    if rest == "secure_url":
        if last and not last.secure_url:
            last.secure_url = content
        else:
            groups.append(_Group(kind, secure_url=content))
    elif last and not last.url and last.secure_url:
        last.url = content
    elif last and (last.url == content or (rest == "url" and not last.named_twice and not last.media_type)):
        last.url, last.named_twice = content, True
    else:
        groups.append(_Group(kind, content, named_twice=rest == "url"))


def _source(page: Page, group: _Group) -> Source | None:
    """None where that is a page, a Flash film, or nothing that a browser would play."""
    address = page.join(group.url) or page.join(group.secure_url)
    if not address or group.media_type.startswith(("text/html", "application/xhtml")) or "flash" in group.media_type:
        return None
    told = (
        group.media_type.startswith(("video/", "audio/")) or "mpegurl" in group.media_type or "dash" in group.media_type
    )
    source = Source(address, group.media_type if told else "", *_size(group), None, group.kind == "audio")
    return source if told or source.ending or _may_be_media(address) else None


def _size(group: _Group) -> tuple[int | None, int | None]:
    width, height = (int(each) if each.isdecimal() and len(each) < 6 else None for each in (group.width, group.height))  # noqa: PLR2004
    return width or None, height or None


def _may_be_media(address: str) -> bool:
    """Whether the last part of the path has an ending, though none of media: `video.php?id=3`."""
    name = address.partition("?")[0].rpartition("/")[2]
    _, dot, ending = name.lower().rpartition(".")
    return bool(dot) and ending not in thumbnails.EXTENSIONS | {"swf", "js", "html", "htm"}
