"""Changes how yt-dlp determines the file extension for a URL.

By itself, yt-dlp takes what follows the last dot, even in a fragment (`clip.mp4#t=0.001`, W3C Media Fragments), and
refuses unusual ones (`stream.php`, yt-dlp#10459, #17432). With the patch, fragments are ignored, and an unusual
extension is replaced by one for the Content-Type or Content-Disposition.
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


def without_fragment(url: str | None) -> str | None:
    """A URL without its fragment; other text, such as a file name, as it is."""
    return url.partition("#")[0] if url and re.match(r"(?:https?:)?//", url) else url


def set_extensions(video: dict[str, Any], headers_by_url: Callable[[str], Mapping[str, str] | None]) -> None:
    """Sets an extension that yt-dlp allows for each format: by the response headers, else `unknown_video`."""
    for stream in video.get("formats") or [video]:
        url = stream.get("url")
        extension = str(stream.get("ext") or _utils.determine_ext(url)).lower() if isinstance(url, str) else UNKNOWN
        if url and (extension not in ALLOWED or extension == UNKNOWN):
            stream["ext"] = _extension_from_headers(headers_by_url(url) or {})
    for thumbnail in video.get("thumbnails") or ():
        if str(thumbnail.get("ext") or _utils.determine_ext(thumbnail.get("url"), "jpg")).lower() not in ALLOWED:
            thumbnail["ext"] = "jpg"


def _extension_from_headers(headers: Mapping[str, str]) -> str:
    """The extension for the Content-Type, else that of the file name in Content-Disposition."""
    name = titles.file_name_from_disposition(headers.get("Content-Disposition") or "")
    candidates = (mimetype2ext(headers.get("Content-Type"), default=None), name.rpartition(".")[2].lower())
    return next((each for each in candidates if each in ALLOWED), UNKNOWN)
