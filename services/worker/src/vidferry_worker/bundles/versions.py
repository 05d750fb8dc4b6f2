"""Versions of yt-dlp: which is newer, and which one the image has."""

import re

from vidferry_worker.children.engine import image_engine


def is_newer(version: str, other: str) -> bool:
    """Whether a version is newer than another one: by its date, then by its time of the day."""
    return _numbers(version) > _numbers(other)


def normalize(version: str) -> str:
    """The version as packages have it, where `2026.01.02` and `2026.1.2` are the same."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", version.strip().lower())


def image_version() -> str:
    """The version of the yt-dlp that is installed with this worker."""
    return normalize(image_engine().yt_dlp)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
