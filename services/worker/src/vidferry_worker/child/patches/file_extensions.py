"""The extension of what an address leads to.

yt-dlp by itself takes what follows the last dot for it, also within a fragment (`clip.mp4#t=0.001`, W3C Media
Fragments), and refuses what it finds unusual (`stream.php`, yt-dlp#10459, #17432), whatever the server says that it is.
"""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from yt_dlp import utils
from yt_dlp.extractor import common, generic
from yt_dlp.utils import _utils, mimetype2ext

from vidferry_worker.child import titles

ALLOWED = _utils._UnsafeExtensionError.ALLOWED_EXTENSIONS  # noqa: SLF001
UNKNOWN = "unknown_video"


def install() -> None:
    determine_by_itself = _utils.determine_ext

    def determine_ext(url: str | None, default_ext: str | None = UNKNOWN) -> str | None:
        found: str | None = determine_by_itself(without_fragment(url), default_ext)
        return found

    downloader: Any = import_module("yt_dlp.YoutubeDL")  # by attribute this name is its class
    for module in (_utils, utils, common, generic, downloader):
        module.determine_ext = determine_ext


def without_fragment(address: str | None) -> str | None:
    """An address of the web without its fragment; other texts, as a file's name, as they are."""
    return address.partition("#")[0] if address and re.match(r"(?:https?:)?//", address) else address


def settle(video: dict[str, Any], headers_of: Callable[[str], Mapping[str, str] | None]) -> None:
    """Gives each format an extension that yt-dlp allows: by what its server says, else the unknown one."""
    for stream in video.get("formats") or [video]:
        address = stream.get("url")
        extension = (
            str(stream.get("ext") or _utils.determine_ext(address)).lower() if isinstance(address, str) else UNKNOWN
        )
        if address and (extension not in ALLOWED or extension == UNKNOWN):
            stream["ext"] = _by_headers(headers_of(address) or {})
    for picture in video.get("thumbnails") or ():
        if str(picture.get("ext") or _utils.determine_ext(picture.get("url"), "jpg")).lower() not in ALLOWED:
            picture["ext"] = "jpg"


def _by_headers(headers: Mapping[str, str]) -> str:
    """By the server's Content-Type, else by the name that it gives the file."""
    name = titles.file_in_disposition(headers.get("Content-Disposition") or "")
    told = (mimetype2ext(headers.get("Content-Type"), default=None), name.rpartition(".")[2].lower())
    return next((each for each in told if each in ALLOWED), UNKNOWN)
