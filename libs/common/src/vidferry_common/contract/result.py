"""The result of a completed job. Workers write it, the api's OpenAPI document is made from it; it stands only here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import Field, GetPydanticSchema, WithJsonSchema

from vidferry_common.contract.field_types import DateTime, Double, Int32, Int64, Uri

MarkedUri = Annotated[
    str | orjson.Fragment,
    GetPydanticSchema(lambda _, handler: handler(str)),
    WithJsonSchema({"type": "string", "format": "uri"}),
]
"""A URL. A worker writes it as job_link() or public_link() makes it, a caller reads text."""


MAX_OTHER_URLS = 20
"""of one warning"""


class WarningCode(StrEnum):
    """The codes of warnings; docs/errors.md lists them."""

    SEVERAL_VIDEOS = "several_videos"
    VIDEOS_LEFT_OUT = "videos_left_out"
    JOBS_DELETED = "jobs_deleted"

    @property
    def summary(self) -> str:
        """What it says, the same for every occurrence."""
        return _SUMMARIES[self]


_SUMMARIES = {
    WarningCode.SEVERAL_VIDEOS: "The page has several videos, and this is the first one. `videos` is their number, and "
    "`other_urls` has the URLs of the others, as far as they have some.",
    WarningCode.VIDEOS_LEFT_OUT: "Of a batch: the playlist has more videos than Vidferry takes or reads.",
    WarningCode.JOBS_DELETED: "Of a batch that retries another one: jobs of that which did not complete were deleted, "
    "so this batch lacks their videos.",
}


@dataclass(frozen=True, slots=True)
class ResultWarning:
    """Something that a person may not expect of a result."""

    code: Annotated[WarningCode, Field(description="A stable code for programs.")]
    message: Annotated[
        str, Field(description="A sentence for a person.", examples=["This is 1 of 3 videos on the page."])
    ]
    videos: Annotated[Int32, Field(description="How many videos the page has.", examples=[3])]
    other_urls: Annotated[
        list[Uri],
        Field(
            description=f"URLs of the other videos, at most {MAX_OTHER_URLS}, in the page's order. `POST /api/batches` "
            "takes them as `urls`. Videos without a URL of their own are not here."
        ),
    ]

    @classmethod
    def of_several_videos(cls, videos: int, other_urls: list[str]) -> "ResultWarning":
        """The warning of a page that has more videos than the one that was downloaded."""
        message = f"This is 1 of {videos:,} videos on the page."
        if other_urls:
            message += (
                " The others can be downloaded by URLs of their own, one by one or as a batch (POST /api/batches)."
            )
        return cls(WarningCode.SEVERAL_VIDEOS, message, videos, other_urls)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a completed job."""

    title: Annotated[str | None, Field(description="The video's title.")]
    duration: Annotated[Double | None, Field(description="Seconds.")]
    size: Annotated[Int64, Field(description="Bytes.")]
    media_type: Annotated[str, Field(description="The file's media type.", examples=["video/mp4"])]
    filename: Annotated[str, Field(description="The name under which browsers save the file.", examples=["A walk.mp4"])]
    url: Annotated[MarkedUri, Field(description="A signed link to the file.")]
    expires_at: Annotated[DateTime, Field(description="When that link expires, RFC 3339.")]
    file_url: Annotated[MarkedUri, Field(description="A URL that always redirects to a new signed link.")]
    reused: Annotated[bool, Field(description="Whether the video was already in the bucket.")]
    warnings: Annotated[
        list[ResultWarning],
        Field(description="What may not be expected of the result. Absent in the results of releases before 0.3."),
    ] = field(default_factory=list)


def result_filename(state: Mapping[str, Any]) -> str:
    """The file name in the result of a job's state; empty where there is none."""
    return str((state.get("result") or {}).get("filename") or "")
