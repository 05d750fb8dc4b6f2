"""The request body of probes."""

from typing import Annotated

from pydantic import AfterValidator, Field

from vidferry_api.jobs.labels import CredentialName, ExternalId, Metadata, credential_field
from vidferry_api.jobs.schemas import HTTP_URL, JobRequestBody, RequestedFormat
from vidferry_common.urls import canonical_url


class ProbeRequest(JobRequestBody):
    """A URL to look at. An optional field that is `null` counts as left out."""

    url: Annotated[str, AfterValidator(canonical_url)] = Field(
        description="The URL of a page with a video, of a playlist or a channel, or of a file. http or https, at most "
        "2048 characters, without user name and password.",
        examples=["https://example.org/video"],
        json_schema_extra=HTTP_URL,
    )
    format: RequestedFormat = Field(
        default_factory=RequestedFormat,
        description="The format that `choice` is told for; by default one that plays everywhere.",
    )
    external_id: ExternalId | None = Field(
        default=None,
        description="Your own id for the probe, which `GET /api/jobs` finds it by. 1 to 255 visible characters.",
        examples=["order-4711"],
    )
    metadata: Metadata | None = Field(
        default=None,
        description="A JSON object that Vidferry keeps with the probe and returns with it. At most 2 KiB when written "
        "without spaces.",
    )
    credential: CredentialName | None = credential_field("the URL is looked at")
