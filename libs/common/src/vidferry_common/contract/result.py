"""The result of a completed job. Workers write it, the api's OpenAPI document is made from it; it stands only here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field, GetPydanticSchema, WithJsonSchema

from vidferry_common.contract.field_types import DateTime, Double, Int64

MarkedUri = Annotated[
    str | orjson.Fragment,
    GetPydanticSchema(lambda _, handler: handler(str)),
    WithJsonSchema({"type": "string", "format": "uri"}),
]
"""A URL. A worker writes it as job_link() or public_link() makes it, a caller reads text."""


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


def result_filename(state: Mapping[str, Any]) -> str:
    """The file name in the result of a job's state; empty where there is none."""
    return str((state.get("result") or {}).get("filename") or "")
