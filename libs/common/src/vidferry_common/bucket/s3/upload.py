"""An upload to a store: in one request, or part by part, several parts at once.

A multipart upload makes the object in its last request, which names all parts, and may depend on the object's version.
What that request does is found out where its reply is lost: the object has the number of the upload that made it.
The protocol is documented at https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html.
"""

import hashlib
import io
import logging
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from vidferry_common.bucket.checksum import crc32c
from vidferry_common.bucket.errors import BucketError, ObjectNotFound, PreconditionFailed, StorageUnavailable
from vidferry_common.bucket.interface import NEW, Upload
from vidferry_common.bucket.patience import Patience
from vidferry_common.bucket.s3.errors import Damaged, NotImplementedByStore, UploadGone, WriteConflict
from vidferry_common.bucket.s3.records import Described, version_in
from vidferry_common.bucket.s3.requests import Requests
from vidferry_common.bucket.source import Source

MIB = 1024 * 1024
PART = 8 * MIB
"""bytes of a part of a file that is complete"""
SMALLEST_PART = 5 * MIB
"""bytes; stores require it of all parts but the last"""
MOST_PARTS = 10_000
GROWING_PARTS = 32
"""parts, as far as SMALLEST_PART allows, of a file that still grows: the last is left to send when it is complete"""
PARTS_AT_ONCE = 4
"""of one upload, each in memory"""
TRIES = 3
"""uploads that begin, where the store loses one or another write comes between"""
_log = logging.getLogger(__name__)


class PartBody(io.BytesIO):
    """The body of a request. The request fails soon after the upload was stopped."""

    def __init__(self, data: bytes, check: Callable[[], None]) -> None:
        super().__init__(data)
        self._check = check

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().read(size)


class PartStopped(Exception):
    """Another part of the upload has failed for good. It never leaves this module."""


class ObjectUpload:
    """One upload. Everything that it has begun is ended by run(), whatever becomes of it."""

    def __init__(
        self, requests: Requests, helpers: ThreadPoolExecutor, what: Upload, source: Source,
        progress: Callable[[int], None], upload_id: str, options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """upload_id: in the object's metadata, which options have, with all else that is to be said of it."""
        self._requests, self._helpers = requests, helpers
        self._what, self._source, self._progress = what, source, progress
        self._upload_id, self._options = upload_id, options
        self._part_size = _part_size_for(source)
        self._patience = Patience(requests.policy, requests.health, source.pause)
        self._failed = threading.Event()
        self._reporting = threading.Lock()
        self._sent = self._reported = 0
        self.may_appear = False
        """whether the object is there, or may be yet, although the upload has failed"""

    def run(self) -> Described:
        """The object as the store has it now. Raises BucketErrors, and Stopped."""
        send = self._send_whole if self._source.size <= self._part_size else self._send_in_parts
        for _ in range(TRIES - 1):
            try:
                send()
                break
            except (UploadGone, WriteConflict) as error:  # documented: begin again
                self._patience.renew()
                self._patience.wait(error)
                self._require_version()  # what has come between may be another's object, and all would be sent in vain
        else:
            send()
        self._patience.renew()
        described = self._verify()
        self._report(self._source.size)
        return described

    def _send_whole(self) -> None:
        data = self._source.read(0, self._source.size)
        self._patience.renew()  # a file that grows may have taken long
        if self._source.grows:
            self._require_version()
        checks = {"ContentMD5": _md5(data), "ChecksumCRC32C": crc32c(data)}  # a store may know but one of them
        self._commit(
            lambda conditions: self._requests.once(
                "put_object", self._what.name, Body=PartBody(data, self._source.raise_if_stopped),
                **checks, **self._options, **conditions,
            )
        )  # fmt: skip

    def _send_in_parts(self) -> None:
        self._failed.clear()
        self._sent = 0
        self._patience.renew()
        upload = MultipartUpload.begin(self._requests, self._what.name, self._options, self._patience)
        try:
            parts = self._send_parts(upload)
            self._patience.renew()
            self._require_version()
            self._commit(lambda conditions: upload.complete(parts, self._source, conditions))
        except BaseException:
            upload.abort()
            raise

    def _send_parts(self, upload: "MultipartUpload") -> list[Mapping[str, Any]]:
        """What the end of the upload says of each part. No part is still being sent afterwards."""
        sent: list[Mapping[str, Any]] = []
        sending: deque[Future[Mapping[str, Any]]] = deque()
        try:
            for number, start in enumerate(range(0, self._source.size, self._part_size), 1):
                while sending and (len(sending) == PARTS_AT_ONCE or sending[0].done()):
                    sent.append(sending.popleft().result())
                data = self._source.read(start, self._part_size)
                sending.append(self._helpers.submit(self._send_part, upload, number, data))
            sent += [each.result() for each in sending]
        finally:
            self._failed.set()  # for those that are left, if there are any
            wait(sending)
        return sent

    def _send_part(self, upload: "MultipartUpload", number: int, data: bytes) -> Mapping[str, Any]:
        """A part that arrives twice replaces itself."""

        def send() -> Mapping[str, Any]:
            self._raise_if_stopped()
            return upload.send_part(number, PartBody(data, self._raise_if_stopped), data)

        patience = Patience(self._requests.policy, self._requests.health, self._pause)
        while True:
            try:
                part = send()
                break
            except UploadGone:
                raise
            except StorageUnavailable as error:
                self._raise_if_stopped()  # which may be why it failed
                patience.wait(error)
        self._requests.health.record_answer()
        with self._reporting:
            self._sent += len(data)
            if self._sent < self._source.size:  # all of it is reported once the object is there
                self._report(self._sent)
        return part

    def _pause(self, seconds: float) -> None:
        self._raise_if_stopped()
        self._source.pause(seconds)

    def _raise_if_stopped(self) -> None:
        self._source.raise_if_stopped()
        if self._failed.is_set():
            raise PartStopped

    def _commit(self, call: Callable[[Mapping[str, str]], Any]) -> None:
        """Makes the object appear, once: a try whose reply is lost is followed by a look at the object."""
        while True:
            self._source.raise_if_stopped()
            try:
                self._requests.conditionally(call, self._what.if_version)
                self.may_appear = True
                break
            except (PreconditionFailed, ObjectNotFound) as error:
                if self.may_appear and self._find_ours():
                    break
                self.may_appear = False
                raise PreconditionFailed(f"{self._what.name} was written or removed by another") from error
            except (UploadGone, WriteConflict) as error:
                if not self.may_appear:
                    raise
                if self._find_ours():
                    break
                # The store may still be busy with the try before, whose upload it no longer lists.
                self._patience.wait(error)
            except StorageUnavailable as error:
                self.may_appear = True
                self._source.raise_if_stopped()  # which may be why it failed
                self._patience.wait(error)

    def _require_version(self) -> None:
        """The last look before the object is replaced: all that a store without conditions has."""
        if self.may_appear and self._find_ours():
            return  # which the last request finds out, too
        try:
            found = version_in(self._head())
        except ObjectNotFound:
            found = NEW
        if found != self._what.if_version:
            raise PreconditionFailed(f"{self._what.name} was written by another")

    def _head(self) -> Any:
        return self._requests.try_until_answered(
            lambda: self._requests.head(self._what.name),
            patience=self._patience,
        )

    def _find_ours(self) -> Described | None:
        """The object, if this upload has made it."""
        try:
            described = Described.parse(self._what.name, self._head())
        except ObjectNotFound:
            return None
        return described if described.upload_id == self._upload_id else None

    def _verify(self) -> Described:
        found = self._find_ours()
        if found is None:
            self.may_appear = False
            raise PreconditionFailed(f"{self._what.name} was replaced or removed as soon as it was stored")
        if found.stored.size != self._source.size or found.stored.crc32c not in {"", self._source.crc32c}:
            with suppress(PreconditionFailed, ObjectNotFound):  # it is another's by now
                self._requests.delete(self._what.name, found.stored.version)
            self.may_appear = False
            raise BucketError(f"{self._what.name} arrived damaged, with {found.stored.size} bytes, and was removed")
        return found

    def _report(self, sent: int) -> None:
        if sent > self._reported or sent == self._source.size == 0:
            self._reported = sent
            self._progress(sent)


class MultipartUpload:
    """A multipart upload that has begun. Its number lets nobody write who has no credentials, and is not logged."""

    def __init__(self, requests: Requests, name: str, number: str, *, has_checksum: bool) -> None:
        self._requests, self._name, self._number = requests, name, number
        self._has_checksum = has_checksum

    @classmethod
    def begin(cls, requests: Requests, name: str, options: Mapping[str, Any], patience: Patience) -> "MultipartUpload":
        """With a checksum of the whole object, if the store knows that kind; else each part has its own."""

        def create_once(**checksum: str) -> Any:
            reply = requests.once("create_multipart_upload", name, **checksum, **options)
            _require(reply, "UploadId", name)
            return reply

        def create(**checksum: str) -> Any:
            return requests.try_until_answered(lambda: create_once(**checksum), patience=patience)

        try:
            reply = create(ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
        except BucketError as error:
            if type(error) not in {BucketError, NotImplementedByStore}:
                raise
            return cls(requests, name, create()["UploadId"], has_checksum=False)
        upload = cls(requests, name, reply["UploadId"], has_checksum=reply.get("ChecksumType") == "FULL_OBJECT")
        if reply.get("ChecksumType") == "COMPOSITE":
            upload.abort()
            return cls(requests, name, create()["UploadId"], has_checksum=False)
        return upload

    def send_part(self, number: int, body: PartBody, data: bytes) -> Mapping[str, Any]:
        """Sends a part once; returns what complete() needs of it."""
        check = {"ChecksumCRC32C": crc32c(data)} if self._has_checksum else {"ContentMD5": _md5(data)}
        reply = self._requests.once(
            "upload_part", self._name, UploadId=self._number, PartNumber=number, Body=body, **check
        )
        part = {"PartNumber": number, "ETag": _require(reply, "ETag", self._name)}
        return {**part, **check} if self._has_checksum else part

    def complete(self, parts: list[Mapping[str, Any]], source: Source, conditions: Mapping[str, str]) -> None:
        """Makes the object of the parts. A store that answers 200 and an error has not made it: StorageUnavailable."""
        check: dict[str, Any] = {}
        if self._has_checksum:
            check = {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32C": source.crc32c, "MpuObjectSize": source.size}
        try:
            reply = self._requests.once(
                "complete_multipart_upload", self._name, UploadId=self._number, MultipartUpload={"Parts": parts},
                **check, **conditions,
            )  # fmt: skip
        except Damaged as error:  # a part, which the store has already: this upload can't become whole
            raise BucketError(f"{self._name} arrived damaged, and made no object") from error
        _require(reply, "ETag", self._name)

    def abort(self) -> None:
        """Removes the parts. The upload that has ended stays as it is."""
        try:
            self._requests.once("abort_multipart_upload", self._name, UploadId=self._number)
        except (UploadGone, ObjectNotFound):
            pass
        except BucketError as error:
            _log.warning("an abandoned upload was left to expire", extra={"error": str(error)})


def _require(reply: Mapping[str, Any], field: str, name: str) -> str:
    """That field; StorageUnavailable where a success has none: a store's answer may end early, or be a proxy's."""
    value = str(reply.get(field) or "")
    if not value:
        raise StorageUnavailable(f"{name}: the store answered without {field}")
    return value


def _part_size_for(source: Source) -> int:
    most = -(-source.size // MOST_PARTS)
    wanted = source.size // GROWING_PARTS if source.grows else PART
    return max(SMALLEST_PART, min(PART, wanted), -(-most // MIB) * MIB)


def _md5(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
