"""Opens an object of a folder bucket by its signed link."""

from collections.abc import Mapping

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_common.bucket import FolderBucket, LinkExpired, LinkInvalid, ObjectNotFound, OpenedObject
from vidferry_common.contract.errors import ProblemCode

NEW_LINK_ADVICE = "Get a new link from the job's file_url."


async def open_signed_object(name: str, query: Mapping[str, str], services: Services) -> OpenedObject:
    """Opens the object. Raises Problem if the signature is invalid or expired, or the object is gone."""
    if not isinstance(services.bucket, FolderBucket):
        raise Problem(ProblemCode.NOT_FOUND, "See /openapi.json for the available paths.")
    try:
        return await services.bucket.open_link(name, query)
    except LinkExpired:
        raise Problem(ProblemCode.LINK_EXPIRED, NEW_LINK_ADVICE) from None
    except LinkInvalid:
        raise Problem(ProblemCode.LINK_INVALID, NEW_LINK_ADVICE) from None
    except ObjectNotFound:
        raise Problem(
            ProblemCode.OBJECT_GONE, "The file was removed from the bucket or replaced. " + NEW_LINK_ADVICE
        ) from None
