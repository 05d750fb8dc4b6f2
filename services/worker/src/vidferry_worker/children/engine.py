"""Which yt-dlp a zygote has loaded. The parent imports nothing of it, and takes no child's word for it."""

from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple


class Engine(NamedTuple):
    """The versions of a yt-dlp and its yt-dlp-ejs, as their wheels have them; empty where one is missing."""

    yt_dlp: str
    ejs: str


UNKNOWN_ENGINE = Engine("", "")


def image_engine() -> Engine:
    """The engine that is installed with this worker."""
    return Engine(_installed_version("yt-dlp"), _installed_version("yt-dlp-ejs"))


def _installed_version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
