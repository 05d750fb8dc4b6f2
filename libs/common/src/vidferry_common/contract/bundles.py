"""Bundles: releases of yt-dlp that the workers run instead of their image's, and the versions that a worker runs."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from vidferry_common.contract.errors import ErrorCode

MAX_VERSION = 40
"""characters of a version"""
MAX_REASON = 300
"""characters of the reason why a version is held, and of a worker's problem"""
MAX_WORKER = 253
"""characters of a worker's name in a report"""
VERSION_PATTERN = r"[0-9]{1,8}(\.[0-9]{1,8}){0,5}(\.?(a|b|rc|dev|post)[0-9]{1,8}){0,2}"
"""of yt-dlp and yt-dlp-ejs: `2026.10.26`, or a nightly build such as `2026.10.26.220202.dev0`"""
_TOLD = re.compile(rf"[0-9A-Za-z][0-9A-Za-z._+!-]{{0,{MAX_VERSION - 1}}}")
"""what any program tells as its version, such as `7.1.2-0+deb13u1`"""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MANIFEST = re.compile(r"system/bundles/[0-9A-Za-z._+!/-]{1,200}")

BLAMED = frozenset({
    ErrorCode.EXTRACTOR_OUTDATED, ErrorCode.UNSUPPORTED_SITE, ErrorCode.UNSUPPORTED_STREAM,
    ErrorCode.FORMAT_UNAVAILABLE, ErrorCode.REFUSED, ErrorCode.ORIGIN_ERROR, ErrorCode.CONVERSION_FAILED,
    ErrorCode.INTERNAL,
})  # fmt: skip
"""the failures that a bad yt-dlp causes. Others say something of the video, the caller, the network or this service"""


def is_version(text: object) -> bool:
    """Whether it can be a version of yt-dlp or yt-dlp-ejs, as packages have it."""
    return isinstance(text, str) and len(text) <= MAX_VERSION and re.fullmatch(VERSION_PATTERN, text) is not None


def parse_told_version(text: object) -> str:
    """What a program tells as its version, to be shown and compared; empty where it can be none."""
    return text if isinstance(text, str) and _TOLD.fullmatch(text) and ".." not in text else ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in the bucket: yt-dlp with its yt-dlp-ejs. Raises ValueError for a field of another form."""

    version: str
    """of yt-dlp"""
    ejs_version: str
    manifest: str
    """the name of its manifest in the bucket, below `system/bundles/`"""
    digest: str
    """SHA-256 of the manifest, hexadecimal"""
    previous: str = ""
    """the version of yt-dlp that the fleet ran before it; empty where that is not known"""
    published: int = 0
    """ms, by the clock of Redis; 0 before it is published"""

    def __post_init__(self) -> None:
        if not (is_version(self.version) and is_version(self.ejs_version)):
            raise ValueError("a bundle's versions are those of releases")
        if self.previous and not is_version(self.previous):
            raise ValueError("the version before a bundle is that of a release")
        if not _MANIFEST.fullmatch(self.manifest) or ".." in self.manifest:
            raise ValueError("a bundle's manifest lies below system/bundles/")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError("a bundle's digest is a SHA-256")

    @classmethod
    def parse(cls, record: Mapping[bytes, bytes]) -> "Bundle | None":
        """The bundle of a record in Redis; None where that is empty or can't be read."""
        told = {name.decode(): value.decode() for name, value in record.items()}
        try:
            published = int(float(told.pop("published")))
            return cls(**{name: told[name] for name in _RECORDED}, published=published)
        except (KeyError, ValueError):
            return None

    def record(self) -> dict[str, str]:
        """Its fields in Redis, without the time of its publication."""
        return {name: getattr(self, name) for name in _RECORDED}


_RECORDED = tuple(each.name for each in fields(Bundle) if each.name != "published")


@dataclass(frozen=True, slots=True)
class Versions:
    """What a worker runs. A version that can't be found out is empty."""

    vidferry: str = ""
    yt_dlp: str = ""
    ejs: str = ""
    deno: str = ""
    ffmpeg: str = ""

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self:
        """Of a report, or of a process that isn't trusted: what is no version is left empty."""
        return cls(**{each.name: parse_told_version(told.get(each.name)) for each in fields(cls)})

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
