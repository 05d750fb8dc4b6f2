"""Which video a URL leads to, and what its object is called.

Names depend on the identity alone, so two attempts, or two URLs of one video, can't make two objects.
"""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from vidferry_common.contract.formats import CANONICAL

ROOT = "videos"
"""Everything that Vidferry stores is below it."""
THUMBNAIL = "thumbnail"
PARTITION_MARK = "@"
"""between the folder of a video and the part of the bucket that it is in; no segment of a folder contains it"""
WEB_PORTS = frozenset({80, 443})
ALIASES = {
    "youtu.be": "youtube.com", "m.youtube.com": "youtube.com", "music.youtube.com": "youtube.com",
    "youtube-nocookie.com": "youtube.com", "player.vimeo.com": "vimeo.com", "dai.ly": "dailymotion.com",
    "geo.dailymotion.com": "dailymotion.com", "twitter.com": "x.com", "mobile.twitter.com": "x.com",
    "m.tiktok.com": "tiktok.com", "vm.tiktok.com": "tiktok.com", "vt.tiktok.com": "tiktok.com",
    "m.twitch.tv": "twitch.tv", "clips.twitch.tv": "twitch.tv",
}  # fmt: skip
"""Hosts of one operator, which name its videos by the same ids and serve nobody else's pages."""
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_DIGEST = re.compile(r"[hpx]-[0-9a-f]{40}")
"""Digests in place of an unsafe text (h), an id within a page (p), a URL (x). A text of that form is unsafe."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which video it is: by its site's id; by that id within one page; or by a URL, where the site has no ids."""

    extractor: str
    domain: str
    """the site, as site_of tells it"""
    video_id: str
    by_url: bool = False
    """whether video_id is a URL"""
    page: str = ""
    """the URL of the page that the id counts for; empty where it counts for the whole site"""

    @classmethod
    def of_url(cls, url: str) -> "Identity":
        return cls("generic", site_of(url), url, by_url=True)

    def folder(self) -> str:
        """The folder of the bucket that holds all objects of the video."""
        if self.by_url:
            video = "x-" + _short_sha256(self.video_id)
        elif self.page:
            video = "p-" + digest(self.page, self.video_id)
        else:
            video = _safe_segment(self.video_id)
        return "/".join([ROOT, _safe_segment(self.extractor), _safe_segment(self.domain), video])

    def object_name(self, fmt: str, partition: str = "") -> str:
        """The object of the video in one format (`Format.canonical()`), in one part of the bucket."""
        return f"{self.folder()}{partition and PARTITION_MARK + partition}/{_safe_segment(fmt)}"


def partition_of(owner: str) -> str:
    """The part of the bucket that is an owner's alone; empty, the part that all share, where there is no owner."""
    return digest("owner", owner)[:20] if owner else ""


def credential_partition(credential: str, owner: str = "") -> str:
    """The part of the bucket for what is fetched with a credential, by anybody who may use it or by one owner alone."""
    return digest("credential", credential, owner)[:20]


_OBJECT_IDS = UUID("6f0f6c7e-8a53-4b0a-9d1c-52d3f4c0b6a1")


def object_id(name: str) -> str:
    """The id that callers know an object by. It stays the same when the object is replaced, and tells nothing."""
    return str(uuid5(_OBJECT_IDS, name))


def partition_in(name: str) -> str:
    """The part of the bucket that an object is in, by its name; empty: the one that all share."""
    return folder_of(name).rpartition("/")[2].partition(PARTITION_MARK)[2]


def is_video(name: str) -> bool:
    """Whether an object's name is that of a video; beside videos there are thumbnails, and what is not Vidferry's."""
    return is_stored_by_vidferry(name) and not name.endswith(f"/{THUMBNAIL}")


def known_site(host: str) -> str:
    """The host that a site's videos are filed under: ALIASES count as one site."""
    return ALIASES.get(host, host)


def site_of(url: str) -> str:
    """The site of a URL; empty where it names no host."""
    try:
        parts = urlsplit(url)
        return site_at(parts.hostname or "", parts.port)
    except ValueError:
        return ""


def site_at(host: str, port: int | None = None) -> str:
    """The site at a host: the host without www., and its port where that is not the web's.

    Nothing is shared between the hosts of a domain, which may belong to many, but for ALIASES.
    """
    name = host.lower().removesuffix(".").removeprefix("www.")
    if port is None or port in WEB_PORTS:
        return ALIASES.get(name, name)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"  # else it could be a longer IPv6 address


def thumbnail_beside(object_name: str) -> str:
    """The name of the thumbnail of the video that the object is a format of."""
    return f"{folder_of(object_name)}/{THUMBNAIL}"


def folder_of(object_name: str) -> str:
    """The folder of the video that the object belongs to."""
    return object_name.rpartition("/")[0]


def is_stored_by_vidferry(name: str) -> bool:
    """Whether an object's name is one that Vidferry gives; other objects in the bucket are not its own."""
    root, *between, leaf = name.split("/")
    return root == ROOT and len(between) == 3 and (leaf == THUMBNAIL or leaf in CANONICAL)  # noqa: PLR2004 - Identity.folder


def _safe_segment(text: str) -> str:
    """The text where it is safe as a segment of an object's name, else its digest."""
    if _SAFE.fullmatch(text) and not text.endswith(".") and not _DIGEST.fullmatch(text):
        return text
    return "h-" + _short_sha256(text)


def _short_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def digest(*parts: str) -> str:
    """A digest of several strings. The same text, split differently, has another one."""
    joined = b"".join(
        len(raw).to_bytes(8, "big") + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
    )
    return hashlib.sha256(joined).hexdigest()[:40]
