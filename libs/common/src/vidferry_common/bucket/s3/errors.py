"""The errors of boto3 and of the stores, as BucketErrors.

BucketError
├── StorageUnavailable
│   ├── CredentialsExpired   the store takes these credentials no longer; the next ones may be there already
│   ├── WriteConflict        another write of the same object was under way: nothing is known of the outcome
│   ├── Damaged              what arrived is not what the checksum says; nothing was kept
│   └── UploadGone           the store knows the multipart upload no more, because it has ended or was removed
└── NotImplementedByStore    the store says that it lacks what the request asks for

The codes are listed at https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; other stores use the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)

SKEWED = "its clock and this machine's differ by too much: set this machine's clock, or start its time service"
_TEXT = 300
"""characters of an answer that an error quotes"""


class CredentialsExpired(StorageUnavailable):
    """The store takes these credentials no longer."""


class WriteConflict(StorageUnavailable):
    """Another write of the same object was under way."""


class Damaged(StorageUnavailable):
    """What arrived is not what its checksum says."""


class UploadGone(StorageUnavailable):
    """The store knows the multipart upload no more."""


class NotImplementedByStore(BucketError):
    """The store lacks what the request asks for."""


_NOT_FOUND = {"NoSuchKey", "NotFound", "404", "NoSuchVersion"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_DAMAGED = {"BadDigest", "XAmzContentSHA256Mismatch"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}
_LATER = {
    "IDPCommunicationError", "IncompleteBody", "InternalError", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling",
    "ThrottlingException", "TooManyRequests", "XMinioServerNotInitialized",
}  # fmt: skip
"""that may succeed when they are tried again"""
_DENIED = {
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidIdentityToken",
    "InvalidToken", "PermanentRedirect", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip
_OF_CODE: dict[str, type[BucketError]] = {
    **dict.fromkeys(_DAMAGED, Damaged),
    "NoSuchUpload": UploadGone,
    **dict.fromkeys(_NOT_FOUND, ObjectNotFound),
    **dict.fromkeys(_EXPIRED, CredentialsExpired),
    **dict.fromkeys(_CONFLICT, WriteConflict),
    **dict.fromkeys(_LATER, StorageUnavailable),
    **dict.fromkeys(_DENIED, StorageDenied),
}
_OF_STATUS: dict[int, type[BucketError]] = {
    HTTPStatus.MOVED_PERMANENTLY: StorageDenied,
    HTTPStatus.UNAUTHORIZED: StorageDenied,
    HTTPStatus.FORBIDDEN: StorageDenied,
    HTTPStatus.REQUEST_TIMEOUT: StorageUnavailable,
    HTTPStatus.PRECONDITION_FAILED: PreconditionFailed,
    HTTPStatus.TOO_MANY_REQUESTS: StorageUnavailable,
    HTTPStatus.NOT_IMPLEMENTED: NotImplementedByStore,
}
"""where the code says nothing"""


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raises BucketErrors in the place of boto3's; what names the object or the bucket."""
    try:
        yield
    except boto.ClientError as error:
        raise _error_of(what, error) from None  # the cause may hold the whole request
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ProfileNotFound,
        boto.ConfigParseError,
    ) as error:
        raise StorageDenied(f"{what}: {error}") from None
    except (
        boto.HTTPClientError, boto.ConnectionError, boto.ResponseStreamingError, boto.IncompleteReadError,
        boto.CredentialRetrievalError, ResponseParserError, OSError,
    ) as error:  # fmt: skip
        # Their texts hold the URL, with the number of an upload.
        raise StorageUnavailable(f"{what}: {type(error).__name__}") from None
    except boto.BotoCoreError as error:
        raise BucketError(f"{what}: {type(error).__name__}: {str(error)[:_TEXT]}") from None


def _error_of(what: str, error: boto.ClientError) -> BucketError:
    answer = error.response.get("Error", {})
    code, status = str(answer.get("Code", "")), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return StorageDenied(f"there is no such bucket, or it can't be seen: {what}")
    if code == "RequestTimeTooSkewed":
        return StorageUnavailable(f"{what}: the store refuses the request, because {SKEWED}")
    text = f"{what}: {error.operation_name} got {status} {code}: {str(answer.get('Message', ''))[:_TEXT]}"
    return (_OF_CODE.get(code) or _OF_STATUS.get(status) or _kind_of(status))(text)


def _kind_of(status: int) -> type[BucketError]:
    return StorageUnavailable if status >= HTTPStatus.INTERNAL_SERVER_ERROR else BucketError
