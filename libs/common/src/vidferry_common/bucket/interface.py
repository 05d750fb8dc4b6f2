"""The bucket: where finished videos go. One interface, three backends (a folder, Cloud Storage, S3), same behaviour."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from vidferry_common.bucket.growing_file import GrowingFile
from vidferry_common.bucket.health import Health

NEW = ""
"""The version that names "no object yet": a write with it never replaces anything."""
PAGE = 1000
"""objects listed at once: what Cloud Storage gives in one reply"""
EXPIRES_AT = "expires_at"
"""in an object's metadata: when retention removes it, RFC 3339; empty or missing where the retention rules decide"""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket, as its metadata describes it."""

    name: str
    version: str
    size: int
    """bytes"""
    content_type: str
    crc32c: str
    """base64 of the big-endian CRC-32C, as Cloud Storage writes it"""
    filename: str
    """what a browser saves it as, in any script; empty where none was given"""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: float = field(default=0, compare=False)
    """when this version was written, in seconds since 1970 by the bucket's clock"""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object, as a listing describes it."""

    name: str
    version: str
    size: int
    """bytes"""
    created: float
    """when this version was written, in seconds since 1970 by the bucket's clock"""
    expires_at: str = ""
    """EXPIRES_AT of its metadata"""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is to be written, without its bytes."""

    name: str
    content_type: str
    filename: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    if_version: str = NEW
    """the version to replace; NEW where there must be none"""


@dataclass(frozen=True, slots=True)
class SignedLink:
    """A URL that gives access to one object until it expires. It is never logged whole."""

    url: str
    """absolute, or beginning with "/" where Vidferry's own api serves it, below its public address"""
    expires_at: datetime
    """UTC"""


CallObserver = Callable[[str, float, str], None]
"""Is told of a call: its operation (stat, upload, read, delete, list, update, sign, check), its seconds, and what kind
of error ended it (errors.find_error_kind), empty where the bucket has answered. A list counts for each of its pages."""


class Bucket(Protocol):
    """A store of objects. Every method raises BucketErrors and no other errors of the storage."""

    @property
    def health(self) -> Health:
        """Whether the last request was answered; requests that are repeated within one call count too."""

    def observe_calls(self, observer: CallObserver) -> None:
        """Has the observer told of each call from now on, in the event loop's thread."""

    async def stat(self, name: str) -> StoredObject | None:
        """The object as it is now, None where there is none."""

    async def upload(
        self,
        what: Upload,
        source: BinaryIO,
        size: int,
        progress: Callable[[int], None],
        growing: GrowingFile | None = None,
        *,
        allow_link: bool = False,
    ) -> StoredObject:
        """Writes size bytes of source from its start; resumable, checked by checksum, invisible until complete.

        source is a regular file that no longer changes; fewer bytes than size raise BucketError. progress is called
        with the bytes sent so far, at least every 8 MiB and from any thread. Raises PreconditionFailed where the
        object's version is not what.if_version. Cancelling the call stops it within a second, and nothing
        appears afterwards, unless the last bytes were on their way: then the object may, whole. One that was complete
        by then stays; others may have found it already.

        growing: source is still written, and will have size bytes. What there is of it is sent, and its last part when
        it is marked complete. BucketError where the file shrinks, outgrows size or has been written anew since it was
        read, where it is given up, and where too many such uploads run.

        allow_link: nobody writes to the file any more, by whatever name or descriptor. A folder on the same file
        system then makes the file itself the object, by a hard link, instead of copying it. Its mode and time change.
        """

    async def links_from(self, folder: Path) -> bool:
        """Whether an upload with allow_link makes a file of that folder the object, so that nothing is copied."""

    async def read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        """A small object, whole; BucketError where it is larger than limit bytes, ObjectNotFound where absent."""

    async def delete(self, name: str, if_version: str) -> None:
        """Removes the object of that version; ObjectNotFound, PreconditionFailed."""

    async def update_metadata(self, stored: StoredObject, changes: Mapping[str, str]) -> StoredObject:
        """Changes some of an object's metadata; its bytes, version and time stay. Returns the object as it is now.

        ObjectNotFound; PreconditionFailed where the object is not as stored describes it any more.
        """

    def list_objects(self, folder: str, page: int = PAGE) -> AsyncGenerator[Sequence[ListedObject], None]:
        """All objects whose names begin with folder and "/", in pages, so that no caller need hold them all.

        Names of the same number of segments that share all but the last come one after another; else the order is the
        backend's own. What is written or removed meanwhile may be listed or not. Close it unless it is read to its end.
        """

    def describe_objects(
        self, folder: str, after: str = "", page: int = PAGE
    ) -> AsyncGenerator[list[StoredObject], None]:
        """As list_objects, with all that there is to know of each, and in an order that stays the same.

        after: the name of the last object that was seen of an earlier listing, which goes on behind it.
        """

    async def sign_link(self, stored: StoredObject, lifetime: float, filename: str = "") -> SignedLink:
        """A link to that object for lifetime seconds. Browsers save it as filename, or under the object's own name."""

    async def remove_leftovers(self, folder: str, age: float) -> int:
        """Removes what uploads and deletions below folder have left that never ended, if it is older than age seconds.

        Returns how many there were. Where a store removes them by itself there are none.
        """

    async def check(self, *, writing: bool = False) -> None:
        """Raises where the bucket can't be used now; writing: to write objects as well. It is tried once.

        Asked at a service's start, for its readiness.
        """

    async def close(self) -> None:
        """Ends connections and threads. Waits for calls under way, so cancel uploads first."""
