"""The bucket in an S3-compatible store."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from vidferry_common.bucket.checksum import crc32c
from vidferry_common.bucket.disposition import content_disposition
from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)
from vidferry_common.bucket.interface import (
    EXPIRES_AT,
    NEW,
    ListedObject,
    SignedLink,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.s3.client import HELPERS, Connection
from vidferry_common.bucket.s3.errors import UploadGone, translate_errors
from vidferry_common.bucket.s3.listing import ListedKey, list_keys, list_orphans, list_uploads
from vidferry_common.bucket.s3.probe import find_missing_conditions
from vidferry_common.bucket.s3.records import (
    CHANGED,
    SIDECAR_BYTES,
    ChangedMetadata,
    Described,
    encode_metadata,
    long_name,
    parse_metadata,
    version_in,
)
from vidferry_common.bucket.s3.requests import Requests
from vidferry_common.bucket.s3.upload import ObjectUpload
from vidferry_common.bucket.settings import LONGEST_LIFETIME, BucketSettings, S3Location
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.threads import ThreadedBucket
from vidferry_common.bucket.uploads import version_of

_log = logging.getLogger(__name__)


class S3Bucket(ThreadedBucket):
    """The Bucket protocol on S3. It connects at the first call, so making one neither blocks nor fails."""

    def __init__(self, location: S3Location, settings: BucketSettings, retries: RetryPolicy | None = None) -> None:
        super().__init__()
        self._location, self._settings = location, settings
        self._connection = Connection(settings)
        policy = retries or RetryPolicy(settings.s3_patience)
        self._requests = Requests(self._connection, location, policy, self.health)
        self._helpers = ThreadPoolExecutor(HELPERS, "bucket-part")
        self._probing = threading.Lock()
        self._is_probed = False
        self._is_seen = False

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._helpers.shutdown)
        self._connection.close()

    def _stat(self, name: str) -> StoredObject | None:
        described = self._head(name)
        return self._complete(described) if described else None

    def _head(self, name: str) -> Described | None:
        try:
            reply = self._requests.try_until_answered(lambda: self._requests.head(name))
        except ObjectNotFound:
            self._require_bucket()
            return None
        return Described.parse(name, reply)

    def _require_bucket(self) -> None:
        """StorageDenied where the bucket is missing: the reply to HeadObject doesn't tell it from a missing object."""
        if not self._is_seen:
            self._list_once()
            self._is_seen = True

    def _list_once(self) -> None:
        self._requests.once_for_bucket(
            "list_objects_v2", self._location.bucket, MaxKeys=1, Prefix=self._location.full_name("")
        )

    def _complete(self, described: Described) -> StoredObject:
        """The object with its long and its changed metadata."""
        stored = self._load_long_metadata(described)
        changed = self._load_changed(described.stored.name)
        return changed.apply(stored) if changed else stored

    def _load_long_metadata(self, described: Described) -> StoredObject:
        if not described.has_long_metadata:
            return described.stored
        found = self._load_sidecar(long_name(described.stored.name, described.upload_id))
        return described.with_metadata(parse_metadata(found[0]) if found else {})

    def _load_changed(self, name: str) -> ChangedMetadata | None:
        found = self._load_sidecar(name + CHANGED)
        return ChangedMetadata.parse(*found) if found else None

    def _load_sidecar(self, name: str) -> tuple[bytes, str] | None:
        """Its bytes and its ETag."""

        def get() -> tuple[bytes, str]:
            reply = self._requests.once("get_object", name)
            return _read_body(name, reply, SIDECAR_BYTES), version_in(reply)

        try:
            found: tuple[bytes, str] = self._requests.try_until_answered(get)
        except ObjectNotFound:
            return None
        return found

    def _upload(
        self,
        what: Upload,
        source: Source,
        progress: Callable[[int], None],
        allow_link: bool,  # noqa: ARG002 - a file is never an object here
    ) -> StoredObject:
        before = self._head(what.name)
        if version_of(before.stored if before else None) != what.if_version:
            raise PreconditionFailed(f"{what.name} is not at version {what.if_version!r}")
        upload_id = uuid4().hex
        headers, long_metadata = encode_metadata(what.metadata, upload_id)
        if long_metadata:
            self._put_sidecar(long_name(what.name, upload_id), long_metadata)
        options = {
            "ContentType": what.content_type, "ContentDisposition": content_disposition(what.filename),
            "Metadata": headers, **self._encryption(), **self._storage_class(),
        }  # fmt: skip
        upload = ObjectUpload(self._requests, self._helpers, what, source, progress, upload_id, options)
        try:
            described = upload.run()
        except BaseException:
            if long_metadata and not upload.may_appear:
                self._remove_sidecar(long_name(what.name, upload_id))
            raise
        if before and before.has_long_metadata:
            self._remove_sidecar(long_name(what.name, before.upload_id))
        return described.with_metadata(what.metadata)

    def _encryption(self) -> dict[str, str]:
        key = self._settings.s3_kms_key
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}

    def _storage_class(self) -> dict[str, str]:
        return {"StorageClass": self._settings.s3_storage_class} if self._settings.s3_storage_class else {}

    def _put_sidecar(self, name: str, content: bytes, **conditions: str) -> None:
        self._requests.patiently(
            "put_object", name, Body=content, ContentType="application/json", **self._encryption(), **conditions
        )

    def _remove_sidecar(self, name: str) -> None:
        """What is left, remove_leftovers() removes."""
        try:
            self._requests.once("delete_object", name)
        except BucketError as error:
            _log.debug("what lies beside an object was left", extra={"error": str(error)})

    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        def get() -> tuple[Described, bytes]:
            reply = self._requests.once("get_object", name, ChecksumMode="ENABLED")
            described = Described.parse(name, reply)
            data = _read_body(name, reply, limit)
            if described.stored.crc32c not in {"", crc32c(data)}:
                raise StorageUnavailable(f"{name} arrived damaged")
            return described, data

        described, data = self._requests.try_until_answered(get)
        return self._complete(described), data

    def _delete(self, name: str, if_version: str) -> None:
        described = self._head(name)
        if described is None:
            raise ObjectNotFound(name)
        if if_version == NEW or described.stored.version != if_version:
            raise PreconditionFailed(f"{name} is not at version {if_version!r}")
        self._requests.delete(name, if_version)
        if described.has_long_metadata:
            self._remove_sidecar(long_name(name, described.upload_id))
        with suppress(BucketError):
            changed = self._load_changed(name)
            if changed and changed.is_of(described.stored.version, described.stored.created):
                self._remove_sidecar(name + CHANGED)

    def _list_pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]:
        for keys in list_keys(self._requests, folder, "", page):
            changes = self._load_changes(keys)
            yield [_describe_listed(key, changes.get(key.name)) for key in keys]

    def _load_changes(self, keys: Iterable[ListedKey]) -> dict[str, ChangedMetadata]:
        """Of those objects whose metadata was changed."""
        names = [key.name for key in keys if key.is_changed]
        loaded = zip(names, self._helpers.map(self._load_changed, names), strict=True)
        return {name: changed for name, changed in loaded if changed}

    def _describe_pages(self, folder: str, after: str, page: int) -> Iterator[list[StoredObject]]:
        for keys in list_keys(self._requests, folder, after, page):
            yield [stored for stored in self._helpers.map(self._describe_key, keys) if stored]

    def _describe_key(self, key: ListedKey) -> StoredObject | None:
        """None where the object is gone since it was listed."""
        described = self._head(key.name)
        if described is None:
            return None
        return self._complete(described) if key.is_changed else self._load_long_metadata(described)

    def _update_metadata(self, stored: StoredObject, metadata: Mapping[str, str]) -> StoredObject:
        described = self._head(stored.name)
        if described is None:
            raise ObjectNotFound(stored.name)
        before = self._load_changed(stored.name)
        current = self._load_long_metadata(described)
        if (before.apply(current) if before else current) != stored:
            raise PreconditionFailed(f"{stored.name} is not as it was read")
        changed = ChangedMetadata(stored.version, stored.created, metadata, change_id=uuid4().hex)
        try:
            self._requests.conditionally(
                lambda conditions: self._put_sidecar(stored.name + CHANGED, changed.body(), **conditions),
                before.etag if before else NEW,
            )
        except (PreconditionFailed, ObjectNotFound) as error:
            found = self._load_changed(stored.name)  # ours, if a reply was lost
            if found is None or found.change_id != changed.change_id:
                raise PreconditionFailed(f"{stored.name} was changed by another") from error
        return changed.apply(stored)

    def _sign_link(self, stored: StoredObject, lifetime: float, filename: str) -> SignedLink:
        name = checked_name(stored.name)
        parameters = {"Bucket": self._location.bucket, "Key": self._location.full_name(name)}
        if filename:
            parameters["ResponseContentDisposition"] = content_disposition(filename)
        with translate_errors(name):
            left = self._connection.seconds_left()
            seconds = int(min(lifetime, LONGEST_LIFETIME, *([] if left is None else [left])))
            if seconds < 1:
                raise StorageUnavailable("the credentials that links are signed with have expired")
            now = datetime.now(UTC).replace(microsecond=0)
            url: str = self._connection.signer().generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=seconds
            )
            return SignedLink(url, now + timedelta(seconds=seconds))

    def _remove_leftovers(self, folder: str, age: float) -> int:
        """Multipart uploads whose worker died, and what lies beside objects that are gone."""
        before = time.time() - age
        removed = 0
        try:
            for key, number in list_uploads(self._requests, folder, before):
                with suppress(UploadGone, ObjectNotFound):
                    self._requests.patiently("abort_multipart_upload", key, UploadId=number)
                    removed += 1
        except StorageDenied as error:  # a right that nothing else needs
            _log.warning("uploads that nobody completes are left", extra={"error": str(error)})
        for orphan in list_orphans(self._requests, folder, before):
            with suppress(ObjectNotFound, PreconditionFailed):  # written anew since it was listed
                self._requests.delete(orphan.name, orphan.version)
                removed += 1
        return removed

    def _check(self, writing: bool) -> None:
        self._list_once()
        self._is_seen = True
        if not writing:
            return
        with self._probing:
            if self._is_probed:
                self._check_writing()
                return
            missing = find_missing_conditions(self._requests, self._encryption())
            self._is_probed = True
        if missing:
            _log.warning(
                "the store lacks conditions: of two writers at one moment, the later one replaces what the other wrote",
                extra={"requests": ", ".join(missing)},
            )

    def _check_writing(self) -> None:
        """A multipart upload that is given up at once makes no object."""
        name = f"vidferry-check-{uuid4().hex}"
        begun = self._requests.once("create_multipart_upload", name, **self._encryption())
        with suppress(UploadGone, ObjectNotFound):
            self._requests.once("abort_multipart_upload", name, UploadId=begun["UploadId"])


def _describe_listed(key: ListedKey, changed: ChangedMetadata | None) -> ListedObject:
    is_current = changed is not None and changed.is_of(key.version, key.created)
    expires_at = changed.metadata.get(EXPIRES_AT, "") if changed and is_current else ""
    return ListedObject(key.name, key.version, key.size, key.created, expires_at)


def _read_body(name: str, reply: Mapping[str, Any], limit: int) -> bytes:
    """The body of a reply, whole; BucketError where it is longer than limit bytes."""
    with translate_errors(name):
        body = reply["Body"]
        try:
            if reply["ContentLength"] > limit:
                raise BucketError(f"{name} has {reply['ContentLength']} bytes, more than {limit}")
            data: bytes = body.read()
        finally:
            body.close()
        return data
