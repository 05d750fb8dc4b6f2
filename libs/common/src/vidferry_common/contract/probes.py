"""The document of a probe: what a URL leads to. Workers write it, the api's OpenAPI document is made from it."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from vidferry_common.contract.field_types import Double, Int32, Int64

MAX_FORMATS: Final = 200
MAX_SUBTITLES: Final = 200
MAX_CHAPTERS: Final = 200
MAX_ENTRIES: Final = 100
"""of a list that are shown"""
MAX_BYTES: Final = 56 * 1024
"""of the document as JSON in ASCII"""
KEPT_SECONDS: Final = 600
"""for which a probe's record is kept after its end, and its document for the same URL"""

_Width = Annotated[Int32 | None, Field(description="Pixels.", examples=[1920])]
_Height = Annotated[Int32 | None, Field(description="Pixels.", examples=[1080])]
_FrameRate = Annotated[Double | None, Field(description="Frames per second.", examples=[30])]
_VideoCodec = Annotated[
    str | None, Field(description="Null if it has no picture, or if the codec is unknown.", examples=["avc1.640028"])
]
_AudioCodec = Annotated[
    str | None, Field(description="Null if it has no sound, or if the codec is unknown.", examples=["mp4a.40.2"])
]
_Size = Annotated[Int64 | None, Field(description="Bytes.", examples=[8388608])]
_IsEstimated = Annotated[
    bool, Field(description="Whether `size` is calculated from the bit rate and the duration, or is the site's guess.")
]
_Range = Annotated[
    str | None, Field(description="`SDR`, or the kind of HDR, such as `HDR10`, `HLG` or `DV`.", examples=["SDR"])
]


@dataclass(frozen=True, slots=True)
class ProbeFormat:
    """One stream that the site offers."""

    id: Annotated[str, Field(description="The name of the format, as the site or yt-dlp gives it.", examples=["137"])]
    container: Annotated[str | None, Field(description="The usual ending of such files.", examples=["mp4"])]
    video: Annotated[bool, Field(description="Whether it has a picture; true if that is unknown.")]
    audio: Annotated[bool, Field(description="Whether it has sound; true if that is unknown.")]
    width: _Width
    height: _Height
    fps: _FrameRate
    video_codec: _VideoCodec
    audio_codec: _AudioCodec
    bitrate: Annotated[Int64 | None, Field(description="Bits per second.", examples=[4400000])]
    size: _Size
    size_estimated: _IsEstimated
    language: Annotated[str | None, Field(description="The language of the sound (RFC 5646).", examples=["en"])]
    dynamic_range: _Range


@dataclass(frozen=True, slots=True)
class ProbeChoice:
    """What a download in the requested format would fetch."""

    formats: Annotated[
        list[str], Field(description="The ids of the formats: one, or one with the picture and one with the sound.")
    ]
    container: Annotated[
        str | None, Field(description="The usual ending of the file; null if it depends on what the streams hold.")
    ]
    width: _Width
    height: _Height
    fps: _FrameRate
    video_codec: _VideoCodec
    audio_codec: _AudioCodec
    dynamic_range: _Range
    size: _Size
    size_estimated: _IsEstimated


@dataclass(frozen=True, slots=True)
class ProbeSubtitles:
    """Subtitles in one language."""

    language: Annotated[str, Field(description="RFC 5646, as the site gives it.", examples=["en"])]
    name: Annotated[str | None, Field(description="The site's name for them.", examples=["English"])]
    automatic: Annotated[
        bool, Field(description="Whether the site has made them by speech recognition or translation.")
    ]
    formats: Annotated[list[str], Field(description="The file types.", examples=[["vtt"]])]


@dataclass(frozen=True, slots=True)
class ProbeChapter:
    """A chapter of the video."""

    title: Annotated[str | None, Field(description="The title.", examples=["Introduction"])]
    start: Annotated[Double, Field(description="Seconds.", examples=[0])]
    end: Annotated[Double | None, Field(description="Seconds.", examples=[93.5])]


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list: a playlist, a channel, a feed, or a page with several players."""

    index: Annotated[Int32, Field(description="The place in the list, from 1 on.", examples=[1])]
    url: Annotated[str | None, Field(description="The URL of its video; null if only the list leads to it.")]
    title: Annotated[str | None, Field(description="The title, as the list has it.")]
    duration: Annotated[Double | None, Field(description="Seconds, as the list has it.")]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a URL leads to: one video, or a list. Unknown values are null."""

    title: Annotated[str | None, Field(description="The title of the video or the list.", examples=["A walk"])]
    uploader: Annotated[str | None, Field(description="Who has published it.")]
    upload_date: Annotated[str | None, Field(description="The day (UTC): YYYY-MM-DD.", examples=["2026-01-31"])]
    duration: Annotated[Double | None, Field(description="Seconds.", examples=[600])]
    live: Annotated[bool, Field(description="Whether it is a live stream that has not ended, or not begun.")]
    age_limit: Annotated[
        Int32 | None, Field(description="The age in years from which the site shows it.", examples=[0])
    ]
    thumbnail: Annotated[
        str | None,
        Field(
            description="The URL of the video's picture on its site. A page that shows it tells that site who looks."
        ),
    ]
    formats: Annotated[list[ProbeFormat], Field(description=f"The formats, the worst first; at most {MAX_FORMATS}.")]
    subtitles: Annotated[list[ProbeSubtitles], Field(description=f"At most {MAX_SUBTITLES}.")]
    chapters: Annotated[list[ProbeChapter], Field(description=f"At most {MAX_CHAPTERS}.")]
    entries: Annotated[
        list[ListEntry],
        Field(
            description=f"The first entries of a list, at most {MAX_ENTRIES}; of a page with several videos, all of "
            "them, the first being the one that is described. Otherwise empty."
        ),
    ]
    entry_count: Annotated[
        Int32 | None,
        Field(
            description="How many entries there are; null for a single video, and if the list is too long to be "
            "counted and does not tell its length."
        ),
    ]
    is_list: Annotated[
        bool, Field(description="Whether it is a list: a batch fetches its videos, and a download fails.")
    ]
    choice: Annotated[
        ProbeChoice | None,
        Field(description="What a download would fetch; null for a list, and if nothing fits the requested format."),
    ]
    shortened: Annotated[
        bool, Field(description="Whether the site has more formats, subtitles or chapters than are listed here.")
    ]
    batch_limit: Annotated[
        Int32 | None,
        Field(
            description="The most videos of the list that one batch takes; null for a single video.", examples=[1000]
        ),
    ] = None
