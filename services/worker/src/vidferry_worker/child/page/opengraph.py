"""Finds the video that a page's Open Graph properties name (https://ogp.me/#structured), in all its alternatives."""

from dataclasses import dataclass, replace

from vidferry_common.contract import thumbnails
from vidferry_worker.child.page.context import Page
from vidferry_worker.child.page.html_tags import Tag, find_metas
from vidferry_worker.child.page.sources import MediaSource, height_in_name

MAX_GROUPS = 100
"""alternatives"""


_MICRODATA = "contenturl"
"""the itemprop of a schema.org VideoObject: another URL of the same video"""


@dataclass
class _MediaProperties:
    """An `og:video` or `og:audio` with the properties that describe it."""

    kind: str
    url: str = ""
    secure_url: str = ""
    media_type: str = ""
    width: str = ""
    height: str = ""
    named_twice: bool = False
    """whether both `og:video` and `og:video:url` name it"""


def find_media_tags(text: str) -> list[Tag]:
    """The meta elements of video or audio."""
    return [tag for name, _, tag in find_metas(text) if name.startswith(("og:video", "og:audio", _MICRODATA))]


def find_videos(page: Page, text: str) -> list[MediaSource]:
    """The alternatives that may be media, in the page's order; audio only where there is no video."""
    sources = [source for group in _read_groups(text) if (source := _make_source(page, group))]
    found = [source for source in sources if not source.is_audio] or sources
    if len(found) > 1 and not any(source.height or source.width for source in found):
        found = [replace(source, height=height_in_name(source.url)) for source in found]
    return [replace(source, rank=rank) for rank, source in enumerate(found)]


def find_embedded_pages(page: Page, text: str) -> list[str]:
    """The URLs of players that are pages themselves, by their media type."""
    named = [group for group in _read_groups(text) if group.media_type.startswith(("text/html", "application/xhtml"))]
    urls = (page.resolve(group.url) or page.resolve(group.secure_url) for group in named)
    return [url for url in urls if url]


def _read_groups(text: str) -> list[_MediaProperties]:
    groups: list[_MediaProperties] = []
    for property_name, content, _ in find_metas(text):
        name = "og:video" if property_name == _MICRODATA else property_name
        kind, _, rest = name.removeprefix("og:").partition(":")
        if not name.startswith("og:") or kind not in {"video", "audio"} or len(groups) > MAX_GROUPS:
            continue
        if rest in {"", "url", "secure_url"}:
            _add_url(groups, kind, rest, content)
        elif groups and groups[-1].kind == kind and rest in {"type", "width", "height"}:
            field = "media_type" if rest == "type" else rest
            setattr(groups[-1], field, getattr(groups[-1], field) or content.strip().lower())
    return groups


def _add_url(groups: list[_MediaProperties], kind: str, rest: str, content: str) -> None:
    """Adds a URL to the last group, if that has none of its kind, else to a new group."""
    last = groups[-1] if groups and groups[-1].kind == kind else None
    if rest == "secure_url":
        if last and not last.secure_url:
            last.secure_url = content
        else:
            groups.append(_MediaProperties(kind, secure_url=content))
    elif last and not last.url and last.secure_url:
        last.url = content
    elif last and (last.url == content or (rest == "url" and not last.named_twice and not last.media_type)):
        last.url, last.named_twice = content, True
    else:
        groups.append(_MediaProperties(kind, content, named_twice=rest == "url"))


def _make_source(page: Page, group: _MediaProperties) -> MediaSource | None:
    """The source of a group; None for a page, for Flash, or for what a browser would not play."""
    url = page.resolve(group.url) or page.resolve(group.secure_url)
    if not url or group.media_type.startswith(("text/html", "application/xhtml")) or "flash" in group.media_type:
        return None
    is_media = (
        group.media_type.startswith(("video/", "audio/")) or "mpegurl" in group.media_type or "dash" in group.media_type
    )
    source = MediaSource(url, group.media_type if is_media else "", *_read_size(group), None, group.kind == "audio")
    return source if is_media or source.ending or _may_be_media(url) else None


def _read_size(group: _MediaProperties) -> tuple[int | None, int | None]:
    width, height = (int(each) if each.isdecimal() and len(each) < 6 else None for each in (group.width, group.height))  # noqa: PLR2004
    return width or None, height or None


def _may_be_media(url: str) -> bool:
    """Whether the path ends with an extension that is not of media, but may lead to it: `video.php?id=3`."""
    name = url.partition("?")[0].rpartition("/")[2]
    _, dot, ending = name.lower().rpartition(".")
    return bool(dot) and ending not in thumbnails.EXTENSIONS | {"swf", "js", "html", "htm"}
