"""The bucket on Google Cloud Storage."""

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import google.auth.credentials
import google.auth.transport.requests
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from vidferry_common.bucket.disposition import content_disposition, filename_of
from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)
from vidferry_common.bucket.gcs.client import TIMEOUT, connect
from vidferry_common.bucket.gcs.errors import translate_errors
from vidferry_common.bucket.gcs.iam_signer import IamSigner
from vidferry_common.bucket.gcs.resumable_upload import Reply, ResumableUpload
from vidferry_common.bucket.interface import EXPIRES_AT, NEW, ListedObject, SignedLink, StoredObject, Upload
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.patience import RetryPolicy
from vidferry_common.bucket.settings import LONGEST_LIFETIME, BucketSettings, GcsLocation
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.threads import ThreadedBucket

IAM_LIFETIME = 12 * 3600
"""seconds; a key that IAM signs with is valid that long at least, then it may be replaced
(https://cloud.google.com/iam/credentials/reference/rest/v1/projects.serviceAccounts/signBlob)"""

_TRIES = 3
_CHECKED = "vidferry-check"
_DESCRIBED = "name,generation,size,timeCreated,contentType,contentDisposition,crc32c,metadata"
"""the fields that _describe reads"""
_log = logging.getLogger(__name__)


class GcsBucket(ThreadedBucket):
    """The Bucket protocol on Cloud Storage. It connects at the first call, so making one neither blocks nor fails."""

    def __init__(self, location: GcsLocation, settings: BucketSettings, retries: RetryPolicy | None = None) -> None:
        super().__init__()
        self._location = location
        self._settings = settings
        self._retries = retries or RetryPolicy(settings.gcs_patience)
        self._retry = DEFAULT_RETRY.with_timeout(self._retries.without_progress).with_delay(
            initial=self._retries.first_delay, maximum=self._retries.longest_delay, multiplier=2
        )
        recording = self._retry.with_predicate(self._is_worth_another_try)
        self._options = {"timeout": TIMEOUT, "retry": recording}
        self._connecting = threading.Lock()
        self._connected: storage.Client | None = None

    def _is_worth_another_try(self, error: Exception) -> bool:
        """As the library decides. Health learns of the failure at once, the caller only after the last try."""
        is_temporary: bool = DEFAULT_RETRY._predicate(error)  # noqa: SLF001
        if is_temporary:
            self.health.record_error(StorageUnavailable(str(error)))
        return is_temporary

    async def close(self) -> None:
        await super().close()
        if self._connected is not None:
            self._connected.close()

    def _client(self) -> storage.Client:
        with self._connecting:
            if self._connected is None:
                self._connected = connect(self._settings.gcs_endpoint)
            return self._connected

    def _bucket(self) -> storage.Bucket:
        return self._client().bucket(self._location.bucket)

    def _blob(self, name: str, **known: Any) -> storage.Blob:
        return self._bucket().blob(self._location.full_name(name), **known)

    def _stat(self, name: str) -> StoredObject | None:
        try:
            with translate_errors(name):
                return _describe(name, self._load_blob(name))
        except ObjectNotFound:
            return None

    def _load_blob(self, name: str) -> storage.Blob:
        blob = self._blob(name)
        blob.reload(**self._options)
        return blob

    def _upload(
        self,
        what: Upload,
        source: Source,
        progress: Callable[[int], None],
        allow_link: bool,  # noqa: ARG002 - a file is never an object here
    ) -> StoredObject:
        with translate_errors(what.name):
            blob = self._blob(what.name)
        blob.content_disposition = content_disposition(what.filename)
        blob.metadata = dict(what.metadata)

        def begin() -> str:
            with self._translate_errors_of_begin(what.name):
                # checksum=None: the checksum goes with the last chunk, when it is known.
                session: str = blob.create_resumable_upload_session(
                    what.content_type,
                    source.size,
                    timeout=TIMEOUT,
                    checksum=None,
                    if_generation_match=_generation_of(what.if_version),
                    retry=None,  # tried again by ResumableUpload, which can be stopped
                )
            return session

        upload = ResumableUpload(begin, self._send, source, progress, self._retries, self.health)
        try:
            resource = upload.run()
        except BaseException:
            self._abandon(upload)
            raise
        return self._verify_upload(what, source, resource)

    @contextmanager
    def _translate_errors_of_begin(self, name: str) -> Iterator[None]:
        try:
            with translate_errors(name):
                yield
        except ObjectNotFound as error:  # nothing but the bucket can be missing when an upload begins
            raise StorageDenied(f"there is no bucket {self._location.bucket}, or it can't be seen") from error

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Reply:
        with translate_errors("upload"):
            reply: Reply = self._client()._http.request(  # noqa: SLF001 - as the library's own media modules do
                method, url, data=body or None, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False
            )
            return reply

    def _verify_upload(self, what: Upload, source: Source, resource: Mapping[str, Any]) -> StoredObject:
        stored = StoredObject(
            name=what.name,
            version=str(resource["generation"]),
            size=int(resource["size"]),
            content_type=what.content_type,
            crc32c=resource.get("crc32c", ""),
            filename=what.filename,
            metadata=dict(what.metadata),
            created=datetime.fromisoformat(resource["timeCreated"]).timestamp(),
        )
        if (stored.size, stored.crc32c) != (source.size, source.crc32c):
            self._delete(stored.name, stored.version)
            raise BucketError(f"{what.name} arrived damaged, with the checksum {stored.crc32c}, and was removed")
        return stored

    def _abandon(self, upload: ResumableUpload) -> None:
        try:
            upload.abandon()
        except BucketError as error:
            _log.warning("an abandoned upload was left to expire", extra={"error": str(error)})

    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        for _ in range(_TRIES - 1):
            with suppress(PreconditionFailed):  # replaced between the two requests
                return self._read_generation(name, limit)
        return self._read_generation(name, limit)

    def _read_generation(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        with translate_errors(name):
            blob = self._load_blob(name)
            if blob.size > limit:
                raise BucketError(f"{name} has {blob.size} bytes, more than {limit}")
            stored = _describe(name, blob)
            # A blob that has not been loaded: the mediaLink of one that has may lead elsewhere than to our endpoint.
            data: bytes = self._blob(name).download_as_bytes(
                raw_download=True,
                checksum="crc32c",
                if_generation_match=_generation_of(stored.version),
                **self._options,
            )
            return stored, data

    def _delete(self, name: str, if_version: str) -> None:
        with translate_errors(name):
            self._blob(name).delete(if_generation_match=_generation_of(if_version), **self._options)

    def _list_pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]:
        with translate_errors(self._location.bucket):
            found = self._client().list_blobs(
                self._location.bucket,
                prefix=self._location.full_name(folder) + "/",
                fields=f"items(name,generation,size,timeCreated,metadata/{EXPIRES_AT}),nextPageToken",
                page_size=page,
                **self._options,
            )
            for blobs in found.pages:
                yield [self._describe_listed(blob) for blob in blobs]

    def _describe_listed(self, blob: storage.Blob) -> ListedObject:
        name = self._location.short_name(blob.name)
        expires_at = (blob.metadata or {}).get(EXPIRES_AT, "")
        return ListedObject(name, str(blob.generation), int(blob.size), blob.time_created.timestamp(), expires_at)

    def _describe_pages(self, folder: str, after: str, page: int) -> Iterator[list[StoredObject]]:
        with translate_errors(self._location.bucket):
            found = self._client().list_blobs(
                self._location.bucket,
                prefix=self._location.full_name(folder) + "/",
                start_offset=self._location.full_name(after) if after else None,
                fields=f"items({_DESCRIBED}),nextPageToken",
                page_size=page,
                **self._options,
            )
            for blobs in found.pages:
                described = [_describe(self._location.short_name(blob.name), blob) for blob in blobs]
                yield [stored for stored in described if stored.name != after]  # the offset itself is listed too

    def _update_metadata(self, stored: StoredObject, metadata: Mapping[str, str]) -> StoredObject:
        with translate_errors(stored.name):
            blob = self._load_blob(stored.name)
            if _describe(stored.name, blob) != stored:
                raise PreconditionFailed(f"{stored.name} is not as it was read")
            blob.metadata = dict(metadata)
            blob.patch(
                if_generation_match=_generation_of(stored.version),
                if_metageneration_match=blob.metageneration,
                **self._options,
            )
            return replace(stored, metadata=dict(metadata))

    def _sign_link(self, stored: StoredObject, lifetime: float, filename: str) -> SignedLink:
        with translate_errors(stored.name):
            signer = self._find_signer()
            longest = IAM_LIFETIME if isinstance(signer, IamSigner) else LONGEST_LIFETIME
            seconds = int(min(lifetime, longest))
            now = datetime.now(UTC).replace(microsecond=0)
            url = self._blob(checked_name(stored.name)).generate_signed_url(
                version="v4", expiration=timedelta(seconds=seconds),
                generation=_generation_of(stored.version), credentials=signer,
                response_disposition=content_disposition(filename) if filename else None,
            )  # fmt: skip
            return SignedLink(url, now + timedelta(seconds=seconds))

    def _find_signer(self) -> google.auth.credentials.Signing:
        credentials = self._client()._credentials  # noqa: SLF001 - the library offers no other way to them
        if isinstance(credentials, google.auth.credentials.Signing):
            return credentials
        request = functools.partial(google.auth.transport.requests.Request(), timeout=sum(TIMEOUT))
        if not credentials.valid:
            credentials.refresh(request)  # which also reads the account's e-mail
        account = self._settings.gcs_signer or getattr(credentials, "service_account_email", None)
        if not account:
            raise StorageDenied("these credentials can't sign links: set VIDFERRY_GCS_SIGNER to a service account")
        endpoint = self._settings.iam_endpoint or f"https://iamcredentials.{credentials.universe_domain}"
        return IamSigner(self._retry, self._client()._http, endpoint, account)  # noqa: SLF001

    def _check(self, writing: bool) -> None:
        """Lists one object: that tells a missing bucket from an empty one, and needs no permission on the bucket."""
        once: dict[str, Any] = {"timeout": TIMEOUT, "retry": None}
        with translate_errors(self._location.bucket):
            list(self._client().list_blobs(self._location.bucket, max_results=1, prefix=self._location.prefix, **once))
        if not writing:
            return
        with self._translate_errors_of_begin(_CHECKED):  # an upload that is given up at once makes no object
            session = self._blob(_CHECKED).create_resumable_upload_session(size=0, checksum=None, **once)
        self._send("DELETE", session, {"Content-Length": "0"}, ())


def _describe(name: str, blob: storage.Blob) -> StoredObject:
    return StoredObject(
        name=name,
        version=str(blob.generation),
        size=int(blob.size),
        content_type=blob.content_type or "application/octet-stream",
        crc32c=blob.crc32c,
        filename=filename_of(blob.content_disposition),
        metadata=dict(blob.metadata or {}),
        created=blob.time_created.timestamp(),
    )


def _generation_of(version: str) -> int:
    """A version as Cloud Storage counts them; PreconditionFailed where no object can have it."""
    if version == NEW:
        return 0
    if not version.isdecimal():
        raise PreconditionFailed(f"{version!r} is no generation")
    return int(version)
