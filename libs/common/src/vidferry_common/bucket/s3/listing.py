"""Lists of a store, in which what lies beside an object follows it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vidferry_common.bucket.errors import BucketError
from vidferry_common.bucket.interface import PAGE
from vidferry_common.bucket.s3.records import CHANGED, MARK, owner_of, time_in, version_in
from vidferry_common.bucket.s3.requests import Requests


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An object, as a store lists it."""

    name: str
    version: str
    size: int
    created: float
    is_changed: bool = False
    """whether its metadata was changed after its upload, or that of an object that it has replaced"""


def list_keys(requests: Requests, folder: str, after: str, page: int) -> Iterator[list[ListedKey]]:
    """The objects below folder and behind the name `after`, in order and in pages of that length at most.

    What shows whether an object's metadata was changed may be on the next page, so the last objects wait for it.
    """
    waiting: dict[str, ListedKey] = {}
    for names, is_last in list_raw(requests, folder, after, page):
        for each in names:
            owner, mark, _ = each.name.partition(MARK)
            if not mark:
                waiting[each.name] = each
            elif each.name == owner + CHANGED and owner in waiting:
                waiting[owner] = replace(waiting[owner], is_changed=True)
        last = names[-1].name if names else ""
        ready = [name for name in waiting if is_last or (name + CHANGED).encode() <= last.encode()]
        found = [waiting.pop(name) for name in ready]
        for first in range(0, len(found), page):
            yield found[first : first + page]


def list_orphans(requests: Requests, folder: str, before: float) -> Iterator[ListedKey]:
    """What lies beside objects that are gone, and was written before that time."""
    owners: list[str] = []  # the objects whose names the present one begins with
    for names, _ in list_raw(requests, folder, "", PAGE):
        for each in names:
            owners = [name for name in owners if each.name.startswith(name)]
            owner = owner_of(each.name)
            if MARK not in each.name:
                owners.append(each.name)
            elif owner and owner not in owners and each.created < before:
                yield each


def list_uploads(requests: Requests, folder: str, before: float) -> Iterator[tuple[str, str]]:
    """The names and numbers of the multipart uploads below folder that have begun before that time."""
    where: dict[str, Any] = {}
    while True:
        reply = requests.try_until_answered(
            partial(
                requests.once_for_bucket, "list_multipart_uploads", folder,
                Prefix=requests.location.full_name(folder) + "/", **where,
            )
        )  # fmt: skip
        for each in reply.get("Uploads", []):
            if each["Initiated"].timestamp() < before:
                yield requests.location.short_name(each["Key"]), each["UploadId"]
        if not reply.get("IsTruncated"):
            return
        where = {"KeyMarker": reply["NextKeyMarker"], "UploadIdMarker": reply.get("NextUploadIdMarker", "")}


def list_raw(requests: Requests, folder: str, after: str, page: int) -> Iterator[tuple[list[ListedKey], bool]]:
    """Whatever has a name below folder, page by page, and whether it is the last page. BucketError if out of order."""
    prefix = requests.location.full_name(folder) + "/"
    where: dict[str, Any] = {"StartAfter": requests.location.full_name(after)} if after else {}
    last = b""
    while True:
        reply = requests.try_until_answered(
            partial(requests.once_for_bucket, "list_objects_v2", folder, Prefix=prefix, MaxKeys=page, **where)
        )
        found = [_parse_key(requests, each) for each in reply.get("Contents", []) if not each["Key"].endswith("/")]
        names = [each.name.encode() for each in found]
        if names != sorted(names) or (names and names[0] <= last):
            raise BucketError("the store lists objects in an order that is not that of their names")
        last = names[-1] if names else last
        more = reply.get("NextContinuationToken") if reply.get("IsTruncated") else None
        yield found, not more
        if not more:
            return
        where = {"ContinuationToken": more}


def _parse_key(requests: Requests, listed: dict[str, Any]) -> ListedKey:
    return ListedKey(
        requests.location.short_name(listed["Key"]), version_in(listed), int(listed["Size"]), time_in(listed)
    )
