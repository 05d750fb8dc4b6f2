"""Finds an object by its id, for principals for whom it exists."""

from dataclasses import dataclass, replace
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Path
from starlette.requests import Request

from vidferry_api.access.declared import requiring
from vidferry_api.access.principal import Principal, Scope
from vidferry_api.dependencies import (
    ObjectDeleterDep,
    ObjectReaderDep,
    Services,
    ServicesDep,
    identify_file_reader,
)
from vidferry_api.http.problems import Problem
from vidferry_api.partitions import sees_partition
from vidferry_common.bucket import StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.tickets import Purpose
from vidferry_common.objects.entry import entry_of
from vidferry_common.store import GoneObject, ObjectEntry
from vidferry_common.text import remove_controls

ObjectId = Annotated[
    str,
    Path(
        description="The object's id. An id of another form gets the answer for an unknown object.",
        examples=["9b6f2f0c-5a0d-5f4e-8d3a-1f0f6a7c2b11"],
        json_schema_extra={"format": "uuid"},
    ),
]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object as the bucket has it now, and what the index said of it."""

    stored: StoredObject
    entry: ObjectEntry

    @classmethod
    def of(cls, stored: StoredObject, entry: ObjectEntry) -> Self:
        """With the whole title, which the index may have shortened."""
        return cls(stored, replace(entry, title=remove_controls(stored.metadata.get("title", ""))))


async def find_entry(object_id: str, services: Services, principal: Principal) -> ObjectEntry:
    """What the index says of the object. Raises Problem if there is none with that id for the principal."""
    entry = await services.store.object_index.find(normalize_id(object_id))
    if entry is not None and sees_partition(principal, entry.partition, services):
        return entry
    if not await services.store.object_index.was_made():
        raise Problem(
            ProblemCode.INDEX_INCOMPLETE,
            "The list of objects is being made anew from the bucket. Try again in a few seconds.",
            headers={"Retry-After": "5"},
        )
    raise _not_found()


async def read_object(entry: ObjectEntry, services: Services) -> FoundObject:
    """The object in the bucket, which has the truth. Raises Problem, and corrects the index, if it is gone."""
    stored = await services.bucket.stat(entry.name)
    if stored is None:
        await services.store.objects.forget([], [GoneObject(entry.name, entry.bucket_version, entry.created)])
        raise object_gone()
    current = entry_of(stored, has_thumbnail=entry.has_thumbnail)
    if current != entry:
        await services.store.object_index.put(current, KEEP)
    return FoundObject.of(stored, current)


KEEP = 2**31
"""Objects in the index, for whoever only corrects what it says: the workers know how many there may be."""


def object_gone() -> Problem:
    return Problem(
        ProblemCode.OBJECT_GONE, "The file was removed from the bucket. Fetch the video again to get it back."
    )


def normalize_id(object_id: str) -> str:
    """The object's id as it is written: UUIDs have several spellings. Raises Problem if it is no UUID."""
    try:
        return str(UUID(object_id))
    except ValueError:
        raise _not_found() from None


def _not_found() -> Problem:
    return Problem(ProblemCode.OBJECT_NOT_FOUND, "Check the id. GET /api/objects lists the objects that there are.")


async def _find_readable(object_id: ObjectId, services: ServicesDep, principal: ObjectReaderDep) -> ObjectEntry:
    return await find_entry(object_id, services, principal)


async def _find_deletable(object_id: ObjectId, services: ServicesDep, principal: ObjectDeleterDep) -> ObjectEntry:
    return await find_entry(object_id, services, principal)


async def _identify_reader(object_id: ObjectId, request: Request, services: ServicesDep) -> Principal:
    return await identify_file_reader(Purpose.READ_OBJECT, lambda: normalize_id(object_id), request, services)


async def _find_file(
    object_id: ObjectId,
    services: ServicesDep,
    principal: Annotated[Principal, Depends(requiring(Scope.OBJECTS_READ, _identify_reader))],
) -> ObjectEntry:
    return await find_entry(object_id, services, principal)


ReadableObjectDep = Annotated[ObjectEntry, Depends(_find_readable)]
"""The object in the path, for a principal that may read objects."""
DeletableObjectDep = Annotated[ObjectEntry, Depends(_find_deletable)]
"""The object in the path, for a principal that may delete objects."""
ObjectFileDep = Annotated[ObjectEntry, Depends(_find_file)]
"""The object in the path, for who may read its file: by a ticket, or by a key or token."""
