"""Errors of boto3 and of stores, as ours."""

import traceback
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from vidferry_common.bucket import BucketError, ObjectNotFound, PreconditionFailed, StorageDenied, StorageUnavailable
from vidferry_common.bucket.s3.errors import (
    CredentialsExpired,
    Damaged,
    NotImplementedByStore,
    UploadGone,
    WriteConflict,
    translate_errors,
)

URL = "https://store.example/films/videos/x?uploadId=secret"


def answer(status: int, code: str) -> boto.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "as told"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"x": "secret"}},
    }
    return boto.ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (answer(404, "NoSuchBucket"), StorageDenied),
        (answer(404, "404"), ObjectNotFound),
        (answer(404, "NoSuchKey"), ObjectNotFound),
        (answer(404, "NoSuchUpload"), UploadGone),
        (answer(412, "PreconditionFailed"), PreconditionFailed),
        (answer(412, "412"), PreconditionFailed),
        (answer(409, "ConditionalRequestConflict"), WriteConflict),
        (answer(501, "NotImplemented"), NotImplementedByStore),
        (answer(400, "ExpiredToken"), CredentialsExpired),
        (answer(403, "RequestTimeTooSkewed"), StorageUnavailable),
        (answer(400, "RequestTimeout"), StorageUnavailable),
        (answer(400, "BadDigest"), Damaged),
        (answer(400, "XAmzContentSHA256Mismatch"), Damaged),
        (answer(408, ""), StorageUnavailable),
        (answer(429, ""), StorageUnavailable),
        (answer(500, "InternalError"), StorageUnavailable),
        (answer(503, "SlowDown"), StorageUnavailable),
        (answer(401, ""), StorageDenied),
        (answer(403, "AccessDenied"), StorageDenied),
        (answer(403, "SignatureDoesNotMatch"), StorageDenied),
        (answer(301, "PermanentRedirect"), StorageDenied),
        (answer(400, "AuthorizationHeaderMalformed"), StorageDenied),
        (answer(400, "InvalidRequest"), BucketError),
        (boto.NoCredentialsError(), StorageDenied),
        (boto.EndpointConnectionError(endpoint_url=URL), StorageUnavailable),
        (boto.ReadTimeoutError(endpoint_url=URL), StorageUnavailable),
        (boto.SSLError(endpoint_url=URL, error="wrong name"), StorageUnavailable),
        (boto.HTTPClientError(error=URL), StorageUnavailable),
        (ResponseParserError("no XML"), StorageUnavailable),
        (ConnectionResetError(104, URL), StorageUnavailable),
        (boto.ParamValidationError(report="odd"), BucketError),
    ],
    ids=repr,
)
def test_errors_of_stores_become_ours(error: Exception, ours: type[BucketError]) -> None:
    with pytest.raises(BucketError) as caught, translate_errors("films"):
        raise error
    assert type(caught.value) is ours
    assert "secret" not in "".join(traceback.format_exception(caught.value, chain=True))


def test_a_wrong_clock_is_told_with_what_to_do() -> None:
    with pytest.raises(StorageUnavailable, match="set this machine's clock"), translate_errors("films"):
        raise answer(403, "RequestTimeTooSkewed")
