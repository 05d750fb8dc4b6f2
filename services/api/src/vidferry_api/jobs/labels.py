"""What callers name in their requests: an external id and metadata to keep with the job, and a credential."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from vidferry_common.contract.credentials import MAX_NAME, PATTERN
from vidferry_common.store.jobs import MAX_METADATA_BYTES

MAX_EXTERNAL_ID = 255
"""characters"""


def _check_visible(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("use visible characters only, and no space at either end")
    return text


def _check_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata, if JSON can carry them to every client as they are, and they are small."""
    try:
        written = orjson.dumps(metadata)
        intact = orjson.loads(written) == metadata
    except (TypeError, ValueError):  # half a surrogate pair, an integer of more than 64 bits, too many levels
        intact, written = False, b""
    if not intact:  # NaN and infinity are written as null
        raise ValueError("use plain JSON: text in valid Unicode, integers of up to 64 bits, finite numbers, few levels")
    if len(written) > MAX_METADATA_BYTES:
        raise ValueError(f"must not be longer than {MAX_METADATA_BYTES} bytes when written without spaces")
    return metadata


ExternalId = Annotated[str, Field(min_length=1, max_length=MAX_EXTERNAL_ID), AfterValidator(_check_visible)]
Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata)]
CredentialName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=PATTERN)]


def credential_field(use: str) -> Any:
    """The field `credential` of a request. use: what is done with its cookies, as in "the video is fetched"."""
    return Field(
        default=None,
        description=f"The name of a credential: {use} with its cookies, and what is fetched so is reused for the same "
        "credential only. The operator says which ones you may use. By default the cookies that the service has for "
        "the site for everybody, if any.",
        examples=["alice"],
    )
