"""Signs links to the file of an object, and reads its thumbnail."""

from vidferry_api.dependencies import Services
from vidferry_api.http.problems import Problem
from vidferry_api.objects.find import object_gone, read_object
from vidferry_api.pictures import read_picture
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.identity import thumbnail_beside
from vidferry_common.store import ObjectEntry


async def sign_object_link(entry: ObjectEntry, services: Services) -> str:
    """Signs a link to the file: a URL, or a path below the public root if the bucket is a folder.

    Raises Problem if the object is gone. It is pinned, so that retention keeps it while the link is followed.
    """
    if not await services.store.objects.pin(entry.name):
        raise object_gone()
    found = await read_object(entry, services)
    return (await services.bucket.sign_link(found.stored, services.settings.link_lifetime)).url


async def read_object_thumbnail(entry: ObjectEntry, services: Services) -> tuple[StoredObject, bytes]:
    """The stored thumbnail and its bytes. Raises Problem if there is none."""
    picture = await read_picture(services.bucket, thumbnail_beside(entry.name))
    if picture is None:
        raise Problem(ProblemCode.NO_THUMBNAIL, "The video has no thumbnail.")
    return picture
