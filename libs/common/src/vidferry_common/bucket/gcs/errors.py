"""The errors of google.* and requests, as BucketErrors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import google.auth.exceptions
from google.api_core import exceptions as service
from google.cloud.storage.exceptions import DataCorruption

from vidferry_common.bucket.errors import (
    BucketError,
    ObjectNotFound,
    PreconditionFailed,
    StorageDenied,
    StorageUnavailable,
)


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Raises BucketErrors in the place of Google's and requests' errors; what names the object or the bucket."""
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
        is_temporary = error.retryable or isinstance(
            error.args and error.args[0], google.auth.exceptions.TransportError
        )
        raise (StorageUnavailable if is_temporary else StorageDenied)(f"{what}: {error}") from error
    except (service.GoogleAPIError, DataCorruption) as error:
        # The library has no class of its own for 408, which Cloud Storage documents as one to try again.
        is_temporary = getattr(error, "code", None) == HTTPStatus.REQUEST_TIMEOUT
        raise (StorageUnavailable if is_temporary else BucketError)(f"{what}: {error}") from error
    except OSError as error:  # requests' exceptions among them; their text may hold a session's address
        raise StorageUnavailable(f"{what}: {type(error).__name__}") from None
