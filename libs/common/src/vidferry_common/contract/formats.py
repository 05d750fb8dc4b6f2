"""What a caller may ask for: a quality and a container."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Quality(StrEnum):
    """The most lines of picture, counted along its short side; a source that has only less gives its best."""

    BEST = "best"
    P2160 = "2160"
    P1440 = "1440"
    P1080 = "1080"
    P720 = "720"
    P480 = "480"
    P360 = "360"
    AUDIO = "audio"

    @property
    def lines(self) -> int | None:
        """The limit in lines, None for best and audio."""
        return int(self.value) if self.value.isdigit() else None


class Container(StrEnum):
    """The kind of file."""

    ANY = "any"
    MP4 = "mp4"
    WEBM = "webm"
    MKV = "mkv"
    M4A = "m4a"
    MP3 = "mp3"


AUDIO_CONTAINERS = frozenset({Container.ANY, Container.M4A, Container.MP3})
VIDEO_CONTAINERS = frozenset({Container.ANY, Container.MP4, Container.WEBM, Container.MKV})


class Format(BaseModel):
    """The requested format. What the source can't give ends the job with `format_unavailable`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quality: Annotated[
        Quality,
        Field(
            description="`best`: the best there is. `2160` … `360`: the best of at most so many lines, counted along "
            "the picture's short side: 1080 is 1920 × 1080 or 1080 × 1920. A source that has only more gives its "
            "smallest. `audio`: only the sound."
        ),
    ] = Quality.P1080
    container: Annotated[
        Container,
        Field(
            description="`any`: what plays everywhere where the source has it (H.264 and AAC in MP4), else what "
            "holds the best streams. `mp4`, `webm`, `mkv`: streams that this container holds, never re-encoded, and "
            "moved into it where they come in another; where it holds none, the job ends with `format_unavailable`. "
            "With `audio`: `any` (the sound as the source has it), `m4a` (the source's AAC, never re-encoded) or "
            "`mp3` (the one thing that is encoded)."
        ),
    ] = Container.ANY

    @model_validator(mode="after")
    def _container_fits(self) -> Self:
        allowed = AUDIO_CONTAINERS if self.quality is Quality.AUDIO else VIDEO_CONTAINERS
        if self.container not in allowed:
            names = ", ".join(sorted(allowed))
            msg = f"with quality {self.quality.value!r}, container must be one of: {names}"
            raise ValueError(msg)
        return self

    def canonical(self) -> str:
        """One spelling for each format; the last part of an object's name."""
        return f"{self.quality.value}-{self.container.value}"

    @classmethod
    def parse(cls, canonical: str) -> Self:
        """The format of a canonical spelling; ValueError where it is none."""
        quality, _, container = canonical.partition("-")
        return cls(quality=Quality(quality), container=Container(container))


CANONICAL = frozenset(
    f"{quality.value}-{container.value}"
    for quality in Quality
    for container in (AUDIO_CONTAINERS if quality is Quality.AUDIO else VIDEO_CONTAINERS)
)
"""the spelling of every format there is"""
