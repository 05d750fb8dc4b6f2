"""Errors of Google's libraries, as ours."""

import traceback
from typing import Any

import google.api_core.exceptions
import google.auth._regional_access_boundary_utils
import google.auth.exceptions
import pytest

from vidferry_common.bucket import BucketError, StorageDenied, StorageUnavailable
from vidferry_common.bucket.gcs.errors import translate_errors

auth: Any = google.auth.exceptions  # without types

service: Any = google.api_core.exceptions


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (auth.RefreshError("invalid_grant"), StorageDenied),
        (auth.RefreshError("internal_failure", retryable=True), StorageUnavailable),
        (auth.RefreshError(auth.TransportError("metadata server")), StorageUnavailable),
        (auth.TransportError("no route"), StorageUnavailable),
        (service.RetryError("too long", service.TooManyRequests("slow down")), StorageUnavailable),
        (service.BadRequest("odd"), BucketError),
        (service.from_http_status(401, "who"), StorageDenied),
        (service.from_http_status(403, "no"), StorageDenied),
        (service.from_http_status(408, "late"), StorageUnavailable),
        (service.from_http_status(503, "busy"), StorageUnavailable),
        (ConnectionResetError(104, "https://host/upload?upload_id=secret"), StorageUnavailable),
    ],
    ids=repr,
)
def test_googles_errors_become_ours(error: Exception, ours: type[BucketError]) -> None:
    with pytest.raises(BucketError) as caught, translate_errors("films"):
        raise error
    assert type(caught.value) is ours
    assert "secret" not in "".join(traceback.format_exception(caught.value))
