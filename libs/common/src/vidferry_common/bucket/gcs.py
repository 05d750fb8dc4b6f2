"""Google Cloud Storage as the bucket. The only module that touches google.*; its errors become ours here.

With Workload Identity there is no private key: links are then signed by IAM's signBlob in the account's name, which
needs the role Service Account Token Creator on that account.
"""

import base64
import functools
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import google.auth
import google.auth.credentials
import google.auth.environment_vars
import google.auth.exceptions
import google.auth.transport.requests
import requests.adapters
from google.api_core import exceptions as service
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from vidferry_common.bucket.disposition import content_disposition, filename_of, other_filename
from vidferry_common.bucket.gcs_session import Patience, Reply, ResumableUpload
from vidferry_common.bucket.growth import Growth
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.interface import (
    PAGE,
    BucketError,
    ListedObject,
    ObjectNotFound,
    PreconditionFailed,
    SignedLink,
    StorageDenied,
    StorageUnavailable,
    StoredObject,
    Upload,
)
from vidferry_common.bucket.names import checked_name
from vidferry_common.bucket.settings import LONGEST_LIFETIME, BucketSettings, GcsAddress
from vidferry_common.bucket.source import Source
from vidferry_common.bucket.threads import ALL_THREADS, Threads
from vidferry_common.bucket.uploads import prepared

TIMEOUT = (10, 30)
"""seconds to connect (also for each write of an upload), and to wait for a reply"""
IAM_LIFETIME = 12 * 3600
"""seconds; a key that IAM signs with is valid that long at least, then it may be replaced
(https://cloud.google.com/iam/credentials/reference/rest/v1/projects.serviceAccounts/signBlob)"""

# Storage's own scopes don't allow signBlob.
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_TRIES = 3
_CHECKED = "vidferry-check"
_log = logging.getLogger(__name__)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Google's and requests' errors as ours; what names the object or the bucket."""
    try:
        yield
    except service.NotFound as error:
        if "bucket does not exist" in str(error):
            raise StorageDenied(f"there is no such bucket, or it can't be seen: {what}") from error
        raise ObjectNotFound(what) from error
    except service.PreconditionFailed as error:
        raise PreconditionFailed(what) from error
    except (service.Forbidden, service.Unauthorized) as error:
        raise StorageDenied(f"{what}: {error}") from error
    except (service.TooManyRequests, service.ServerError, service.RetryError) as error:
        raise StorageUnavailable(f"{what}: {error}") from error
    except google.auth.exceptions.TransportError as error:
        raise StorageUnavailable(f"{what}: {error}") from error
    except google.auth.exceptions.GoogleAuthError as error:
        # A metadata server that isn't reached comes as RefreshError(TransportError): common while a pod starts.
        passing = error.retryable or isinstance(error.args and error.args[0], google.auth.exceptions.TransportError)
        raise (StorageUnavailable if passing else StorageDenied)(f"{what}: {error}") from error
    except (service.GoogleAPIError, DataCorruption) as error:
        # The library has no class of its own for 408, which Cloud Storage documents as one to try again.
        passing = getattr(error, "code", None) == HTTPStatus.REQUEST_TIMEOUT
        raise (StorageUnavailable if passing else BucketError)(f"{what}: {error}") from error
    except OSError as error:  # requests' exceptions among them; their text may hold a session's address
        raise StorageUnavailable(f"{what}: {type(error).__name__}") from None


class GcsBucket:
    """The Bucket protocol on Cloud Storage. Connects at the first call, so building it neither blocks nor fails."""

    def __init__(self, address: GcsAddress, settings: BucketSettings, patience: Patience | None = None) -> None:
        self._address = address
        self._settings = settings
        self._patience = patience or Patience(settings.gcs_patience)
        self._threads = Threads()
        self._retry = DEFAULT_RETRY.with_timeout(self._patience.without_progress).with_delay(
            initial=self._patience.first_delay, maximum=self._patience.longest_delay, multiplier=2
        )
        noting = self._retry.with_predicate(self._is_worth_another_try)
        self._options = {"timeout": TIMEOUT, "retry": noting}
        self._connecting = threading.Lock()
        self._connected: storage.Client | None = None

    def _is_worth_another_try(self, error: Exception) -> bool:
        """As the library decides; what the caller only learns when all tries have failed is noted at once."""
        passing: bool = DEFAULT_RETRY._predicate(error)  # noqa: SLF001
        if passing:
            self.health.failed(StorageUnavailable(str(error)))
        return passing

    @property
    def health(self) -> Health:
        return self._threads.health

    async def stat(self, name: str) -> StoredObject | None:
        return await self._threads.run(self._stat, checked_name(name))

    async def upload(
        self,
        what: Upload,
        source: BinaryIO,
        size: int,
        progress: Callable[[int], None],
        growth: Growth | None = None,
        *,
        given: bool = False,  # noqa: ARG002 - a file is never an object here
    ) -> StoredObject:
        what = prepared(what)
        return await self._threads.upload(lambda read: self._upload(what, read, progress), source, size, growth)

    async def keeps(self, folder: Path) -> bool:  # noqa: ARG002
        return False

    async def read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        return await self._threads.run(self._read, checked_name(name), limit)

    async def delete(self, name: str, if_generation: int) -> None:
        await self._threads.run(self._delete, checked_name(name), if_generation)

    def listing(self, folder: str, page: int = PAGE) -> AsyncGenerator[list[ListedObject], None]:
        return self._threads.run_through(self._pages(checked_name(folder), page))

    async def sign(self, stored: StoredObject, lifetime: float, filename: str = "") -> SignedLink:
        return await self._threads.run_here(self._sign, stored, lifetime, other_filename(filename, stored.filename))

    async def check(self, *, writing: bool = False) -> None:
        await self._threads.run(self._check, writing)

    async def close(self) -> None:
        await self._threads.close()
        if self._connected is not None:
            self._connected.close()

    def _client(self) -> storage.Client:
        with self._connecting:
            if self._connected is None:
                self._connected = _connect(self._settings.gcs_endpoint)
            return self._connected

    def _bucket(self) -> storage.Bucket:
        return self._client().bucket(self._address.bucket)

    def _blob(self, name: str, **known: Any) -> storage.Blob:
        return self._bucket().blob(self._full_name(name), **known)

    def _full_name(self, name: str) -> str:
        return f"{self._address.prefix}/{name}" if self._address.prefix else name

    def _stat(self, name: str) -> StoredObject | None:
        try:
            with translated(name):
                return _stored(name, self._reloaded(name))
        except ObjectNotFound:
            return None

    def _reloaded(self, name: str) -> storage.Blob:
        blob = self._blob(name)
        blob.reload(**self._options)
        return blob

    def _upload(self, what: Upload, source: Source, progress: Callable[[int], None]) -> StoredObject:
        with translated(what.name):
            blob = self._blob(what.name)
        blob.content_disposition = content_disposition(what.filename)
        blob.metadata = dict(what.metadata)

        def begin() -> str:
            with self._translated_begin(what.name):
                # checksum=None: the checksum goes with the last chunk, when it is known.
                session: str = blob.create_resumable_upload_session(
                    what.content_type,
                    source.size,
                    timeout=TIMEOUT,
                    checksum=None,
                    if_generation_match=what.if_generation,
                    retry=None,  # tried again by ResumableUpload, which can be stopped
                )
            return session

        upload = ResumableUpload(begin, self._send, source, progress, self._patience, self.health)
        try:
            resource = upload.run()
        except BaseException:
            self._abandon(upload)
            raise
        return self._verified(what, source, resource)

    @contextmanager
    def _translated_begin(self, name: str) -> Iterator[None]:
        try:
            with translated(name):
                yield
        except ObjectNotFound as error:  # nothing but the bucket can be missing when an upload begins
            raise StorageDenied(f"there is no bucket {self._address.bucket}, or it can't be seen") from error

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Reply:
        with translated("upload"):
            reply: Reply = self._client()._http.request(  # noqa: SLF001 - as the library's own media modules do
                method, url, data=body or None, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False
            )
            return reply

    def _verified(self, what: Upload, source: Source, resource: Mapping[str, Any]) -> StoredObject:
        stored = StoredObject(
            name=what.name,
            generation=int(resource["generation"]),
            size=int(resource["size"]),
            content_type=what.content_type,
            crc32c=resource.get("crc32c", ""),
            filename=what.filename,
            metadata=dict(what.metadata),
        )
        if (stored.size, stored.crc32c) != (source.size, source.crc32c):
            self._delete(stored.name, stored.generation)
            raise BucketError(f"{what.name} arrived damaged, with the checksum {stored.crc32c}, and was removed")
        return stored

    def _abandon(self, upload: ResumableUpload) -> None:
        try:
            upload.abandon()
        except BucketError as error:
            _log.warning("an abandoned upload was left to expire: %s", error)

    def _read(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        for _ in range(_TRIES - 1):
            with suppress(PreconditionFailed):  # replaced between the two requests
                return self._read_generation(name, limit)
        return self._read_generation(name, limit)

    def _read_generation(self, name: str, limit: int) -> tuple[StoredObject, bytes]:
        with translated(name):
            blob = self._reloaded(name)
            if blob.size > limit:
                raise BucketError(f"{name} has {blob.size} bytes, more than {limit}")
            stored = _stored(name, blob)
            data: bytes = blob.download_as_bytes(
                raw_download=True, checksum="crc32c", if_generation_match=stored.generation, **self._options
            )
            return stored, data

    def _delete(self, name: str, if_generation: int) -> None:
        with translated(name):
            self._blob(name).delete(if_generation_match=if_generation, **self._options)

    def _pages(self, folder: str, page: int) -> Iterator[list[ListedObject]]:
        with translated(self._address.bucket):
            found = self._client().list_blobs(
                self._address.bucket,
                prefix=self._full_name(folder) + "/",
                fields="items(name,generation,size,timeCreated),nextPageToken",
                page_size=page,
                **self._options,
            )
            for blobs in found.pages:
                yield [self._listed(blob) for blob in blobs]

    def _listed(self, blob: storage.Blob) -> ListedObject:
        name = blob.name.removeprefix(self._full_name(""))
        return ListedObject(name, int(blob.generation), int(blob.size), blob.time_created.timestamp())

    def _sign(self, stored: StoredObject, lifetime: float, filename: str) -> SignedLink:
        with translated(stored.name):
            signer = self._signer()
            longest = IAM_LIFETIME if isinstance(signer, _IamSigner) else LONGEST_LIFETIME
            seconds = int(min(lifetime, longest))
            now = datetime.now(UTC).replace(microsecond=0)
            url = self._blob(checked_name(stored.name)).generate_signed_url(
                version="v4", expiration=timedelta(seconds=seconds), generation=stored.generation, credentials=signer,
                response_disposition=content_disposition(filename) if filename else None,
            )  # fmt: skip
            return SignedLink(url, now + timedelta(seconds=seconds))

    def _signer(self) -> google.auth.credentials.Signing:
        credentials = self._client()._credentials  # noqa: SLF001 - the library offers no other way to them
        if isinstance(credentials, google.auth.credentials.Signing):
            return credentials
        request = functools.partial(google.auth.transport.requests.Request(), timeout=sum(TIMEOUT))
        if not credentials.valid:
            credentials.refresh(request)  # tells the account's e-mail, too
        account = self._settings.gcs_signer or getattr(credentials, "service_account_email", None)
        if not account:
            raise StorageDenied("these credentials can't sign links: set VIDFERRY_GCS_SIGNER to a service account")
        endpoint = self._settings.iam_endpoint or f"https://iamcredentials.{credentials.universe_domain}"
        return _IamSigner(self._retry, self._client()._http, endpoint, account)  # noqa: SLF001

    def _check(self, writing: bool) -> None:
        """Lists one object: tells a missing bucket from an empty one, and needs no right on the bucket itself."""
        once: dict[str, Any] = {"timeout": TIMEOUT, "retry": None}
        with translated(self._address.bucket):
            list(self._client().list_blobs(self._address.bucket, max_results=1, prefix=self._address.prefix, **once))
        if not writing:
            return
        with self._translated_begin(_CHECKED):  # an upload that is given up at once makes no object
            session = self._blob(_CHECKED).create_resumable_upload_session(size=0, checksum=None, **once)
        self._send("DELETE", session, {"Content-Length": "0"}, ())


class _IamSigner(google.auth.credentials.Signing):
    """Signs through IAM, with the calls bounded and their errors told apart, unlike google.auth.iam.Signer."""

    def __init__(self, retry: Any, session: Any, endpoint: str, account: str) -> None:
        super().__init__()
        self._call = retry(self._sign_once)
        self._session = session
        self._url = f"{endpoint}/v1/projects/-/serviceAccounts/{account}:signBlob"
        self._account = account

    @property
    def signer_email(self) -> str:
        return self._account

    @property
    def signer(self) -> None:
        """There is no key here."""

    def sign_bytes(self, message: bytes) -> bytes:
        signature: bytes = self._call(message)
        return signature

    def _sign_once(self, message: bytes) -> bytes:
        payload = {"payload": base64.b64encode(message).decode()}
        response = self._session.post(self._url, json=payload, timeout=TIMEOUT)
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise StorageDenied(f"there is no service account {self._account} to sign links with")
        if response.status_code != HTTPStatus.OK:
            raise service.from_http_response(response)  # type: ignore[no-untyped-call]
        return base64.b64decode(response.json()["signedBlob"])


def _connect(endpoint: str | None) -> storage.Client:
    if endpoint is None:
        return _client_with(google.auth.default(scopes=_SCOPES), {})
    variables = (google.auth.environment_vars.CREDENTIALS, google.auth.environment_vars.GCE_METADATA_HOST)
    if endpoint.startswith("http://") and not any(name in os.environ for name in variables):
        nobody = google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
        return _client_with((nobody, None), {"api_endpoint": endpoint})
    return _client_with(google.auth.default(scopes=_SCOPES), {"api_endpoint": endpoint})


def _client_with(found: tuple[Any, str | None], options: dict[str, str]) -> storage.Client:
    credentials, project = found
    domain = credentials.universe_domain
    if domain != google.auth.credentials.DEFAULT_UNIVERSE_DOMAIN:
        options = {**options, "universe_domain": domain}
    # A project is only asked for where buckets are made or listed.
    client = storage.Client(project=project or "none", credentials=credentials, client_options=options)
    # Otherwise 3.17 asks for the bucket itself, in a thread, for spans that nobody records: a right we don't need.
    client._bucket_metadata_cache = None  # noqa: SLF001 - every use of it asks first whether it is there
    _keep_a_connection_for_each_thread(client._http)  # noqa: SLF001 - the library offers no other way to it
    return client


def _keep_a_connection_for_each_thread(session: google.auth.transport.requests.AuthorizedSession) -> None:
    """By itself requests keeps 10 to a host: the eleventh thread's is closed after its reply, with a warning."""
    tokens: requests.Session = session._auth_request.session  # noqa: SLF001 - as above
    for each, tries in ((session, 0), (tokens, 3)):  # as they have it
        for scheme in ("http://", "https://"):
            each.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=ALL_THREADS, max_retries=tries))
    session.configure_mtls_channel()  # type: ignore[no-untyped-call]  # as the client did before; it keeps the size


def _stored(name: str, blob: storage.Blob) -> StoredObject:
    return StoredObject(
        name=name,
        generation=int(blob.generation),
        size=int(blob.size),
        content_type=blob.content_type or "application/octet-stream",
        crc32c=blob.crc32c,
        filename=filename_of(blob.content_disposition),
        metadata=dict(blob.metadata or {}),
    )
