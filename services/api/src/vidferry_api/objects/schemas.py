"""The request and response bodies of objects."""

from pydantic import BaseModel, ConfigDict, Field

from vidferry_api.http.parameters import DEFAULT_PAGE, MAX_HOST, MAX_PAGE, MAX_TOKEN, OWNER_PATTERN, Moment
from vidferry_common.contract.credentials import MAX_NAME, PATTERN
from vidferry_common.contract.field_types import DateTime, Double, Int64, Uri, Uuid
from vidferry_common.contract.formats import Format

MAX_PREFIX = 200
_ID = "9b6f2f0c-5a0d-5f4e-8d3a-1f0f6a7c2b11"
_URL = f"https://media.example.org/api/objects/{_ID}"


class StoredVideo(BaseModel):
    """A video in the bucket, in one format. Unknown values are null."""

    object_id: Uuid = Field(
        description="The object's id. It stays the same when the video is fetched again.", examples=[_ID]
    )
    version: str = Field(
        description="Another one whenever the file or `expires_at` has changed. Opaque; in quotes it is the ETag.",
        examples=["5f1c0b8e6a3d49c2b7f4"],
    )
    title: str | None = Field(
        description="The video's title. In a list, titles of more than 300 characters are shortened.",
        examples=["A walk in the park"],
    )
    site: str | None = Field(description="The video's site, by its registered domain.", examples=["example.co.uk"])
    format: Format = Field(description="The format that was asked for.")
    duration: Double | None = Field(description="Seconds.", examples=[634.5])
    size: Int64 = Field(description="Bytes.", examples=[8388608])
    media_type: str = Field(description="The file's media type.", examples=["video/mp4"])
    filename: str | None = Field(
        description="The name under which browsers save the file.", examples=["A walk in the park.mp4"]
    )
    stored_at: DateTime = Field(
        description="When the file was stored, RFC 3339.", examples=["2026-01-31T09:30:00.125Z"]
    )
    expires_at: DateTime | None = Field(
        description="When the object is removed, RFC 3339, whatever the retention rules say; null where these decide."
    )
    object_url: Uri = Field(description="The absolute URL of the object.", examples=[_URL])
    file_url: Uri = Field(
        description="A URL that always redirects to a new signed link to the file.", examples=[f"{_URL}/file"]
    )
    thumbnail: Uri | None = Field(
        description="The video's thumbnail, stored by Vidferry.", examples=[f"{_URL}/thumbnail"]
    )


class ObjectList(BaseModel):
    """One page of a list, what was stored last first."""

    objects: list[StoredVideo] = Field(
        description="May be fewer than `page_size`, and even none, while more follow: see `next_page_token`."
    )
    complete: bool = Field(
        description="Whether the list knows every object in the bucket. False while Vidferry makes it anew, and where "
        "the bucket has more objects than the list may hold."
    )
    next_page_token: str = Field(description="Where the list goes on; empty at its end.")


class ObjectQuery(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    site: str = Field(
        default="",
        max_length=MAX_HOST,
        description="The site of the videos, such as `example.co.uk`. A host counts as its registered domain.",
    )
    title_prefix: str = Field(
        default="",
        max_length=MAX_PREFIX,
        description="How the titles begin. Upper and lower case are the same.",
    )
    stored_after: Moment | None = Field(default=None, description="RFC 3339: objects that were stored then or later.")
    stored_before: Moment | None = Field(default=None, description="RFC 3339: objects that were stored earlier.")
    owner: str | None = Field(
        default=None,
        max_length=64,
        pattern=OWNER_PATTERN,
        description="An owner whose objects are not shared: only these. Other owners than the caller require the scope "
        "`admin`. By default all objects that the caller may read; empty: those that nobody has alone.",
    )
    credential: str | None = Field(
        default=None,
        max_length=MAX_NAME,
        pattern=PATTERN,
        description="Only the objects that were fetched with this credential. An owner's list has them only so.",
    )
    page_size: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_PAGE, description="The most objects to return.")
    page_token: str = Field(
        default="",
        max_length=MAX_TOKEN,
        description="The `next_page_token` of the page before, with the same filters. `page_size` may differ.",
    )


class ObjectChanges(BaseModel):
    """What is to change."""

    model_config = ConfigDict(extra="forbid")

    expires_at: Moment | None = Field(
        description="When the object is to be removed, RFC 3339, at most ten years from now; until then the retention "
        "rules leave it alone. `null`: the retention rules decide.",
        examples=["2027-01-31T09:30:00Z"],
    )
