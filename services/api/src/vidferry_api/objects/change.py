"""Deletes an object, and changes when it expires."""

from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from vidferry_api.dependencies import Services
from vidferry_api.http.conditional import may_change
from vidferry_api.http.problems import Problem
from vidferry_api.objects.find import KEEP, FoundObject, object_gone, read_object
from vidferry_common.bucket import EXPIRES_AT, ObjectNotFound, PreconditionFailed, StoredObject
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.objects.entry import entry_of, format_expiry, parse_expiry
from vidferry_common.objects.removal import Removal, remove_object
from vidferry_common.store import ObjectEntry
from vidferry_common.store.object_index import object_version

LONGEST_EXPIRY = timedelta(days=3653)
_TRIES = 4


async def delete_object(entry: ObjectEntry, request: Request, services: Services) -> None:
    """Removes the object from the bucket. Raises Problem if it is gone, or not the one that If-Match names."""

    def may_remove(stored: StoredObject) -> bool:
        _check_version(stored, request)
        return True

    if "if-match" in request.headers:
        # Before anything is marked: the mark takes the pins of what is handed out, also where nothing is removed then.
        _check_version((await read_object(entry, services)).stored, request)
    for _ in range(_TRIES):
        outcome = await remove_object(services.store, services.bucket, entry, may_remove, pinned_too=True)
        if outcome is Removal.GONE:
            raise object_gone()
        if outcome is Removal.REMOVED:
            return
    raise _changed()  # it is replaced again and again


async def change_expiry(
    entry: ObjectEntry, expires_at: datetime | None, request: Request, services: Services
) -> FoundObject:
    """Sets when the object is removed. Raises Problem if it is gone, or not the one that If-Match names."""
    text = format_expiry(_check_expiry(expires_at)) if expires_at else ""
    for tries in range(_TRIES):
        # Retention removes nothing that is pinned, so it can't take an object away by the expiry that it had.
        if not await services.store.objects.pin(entry.name):
            raise object_gone()
        found = await read_object(entry, services)
        if tries and found.entry.expires_at == text:
            return found  # the change before was made, and its answer was lost
        _check_version(found.stored, request)
        try:
            stored = await services.bucket.update_metadata(found.stored, {EXPIRES_AT: text})
        except ObjectNotFound:
            raise object_gone() from None
        except PreconditionFailed:
            continue
        current = entry_of(stored, has_thumbnail=entry.has_thumbnail)
        await services.store.object_index.put(current, KEEP)
        return FoundObject.of(stored, current)
    raise _changed()


def _check_expiry(moment: datetime) -> datetime:
    now = datetime.now(UTC)
    if now < moment <= now + LONGEST_EXPIRY:
        return moment
    errors = [{"field": "expires_at", "message": "must be in the future, and at most ten years from now"}]
    detail = "expires_at: must be in the future, and at most ten years from now. To remove the object now, delete it."
    raise Problem(ProblemCode.INVALID_REQUEST, detail, errors=errors)


def _check_version(stored: StoredObject, request: Request) -> None:
    expires = parse_expiry(stored.metadata.get(EXPIRES_AT, ""))
    version = object_version(stored.version, format_expiry(expires) if expires else "")
    if not may_change(request, f'"{version}"'):
        raise _changed()


def _changed() -> Problem:
    return Problem(
        ProblemCode.PRECONDITION_FAILED, "Read the object again, and send its ETag in If-Match if you still want this."
    )
