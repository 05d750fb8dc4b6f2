"""Requests to one bucket of a store: repeated while that may help, with BucketErrors and nothing else."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from vidferry_common.bucket.errors import BucketError, StorageDenied, StorageUnavailable
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.interface import NEW
from vidferry_common.bucket.patience import Patience, RetryPolicy
from vidferry_common.bucket.s3.client import Connection
from vidferry_common.bucket.s3.errors import CredentialsExpired, NotImplementedByStore, translate_errors
from vidferry_common.bucket.settings import S3Location


class Requests:
    """What calls and uploads use to ask the store."""

    def __init__(self, connection: Connection, location: S3Location, policy: RetryPolicy, health: Health) -> None:
        self._connection, self.location = connection, location
        self.policy, self.health = policy, health

    def once(self, operation: str, name: str, **parameters: Any) -> Any:
        """The reply to one request about that object."""
        return self.once_for_bucket(operation, name, Key=self.location.full_name(name), **parameters)

    def once_for_bucket(self, operation: str, what: str, **parameters: Any) -> Any:
        """The reply to one request that names no object; what: for errors."""
        client = None
        try:
            with translate_errors(what):
                client = self._connection.client()
                return getattr(client, operation)(Bucket=self.location.bucket, **parameters)
        except CredentialsExpired:
            self._connection.renew(client)
            raise

    def head(self, name: str) -> Any:
        """The reply to HeadObject. A refusal of it has no body that tells why: that of a list tells the same."""
        try:
            return self.once("head_object", name, ChecksumMode="ENABLED")
        except BucketError as error:
            if type(error) not in {BucketError, StorageDenied}:
                raise
            self.once_for_bucket("list_objects_v2", name, Prefix=self.location.full_name(name), MaxKeys=1)
            return self.once("head_object", name, ChecksumMode="ENABLED")

    def patiently(self, operation: str, name: str, **parameters: Any) -> Any:
        return self.try_until_answered(lambda: self.once(operation, name, **parameters))

    def try_until_answered(
        self, call: Callable[[], Any], pause: Callable[[float], None] = time.sleep, patience: Patience | None = None
    ) -> Any:
        """The call's result, once no StorageUnavailable comes of it."""
        patience = patience or Patience(self.policy, self.health, pause)
        while True:
            try:
                return call()
            except StorageUnavailable as error:
                patience.wait(error)

    def delete(self, name: str, version: str) -> None:
        """Removes the object, if it is of that version; ObjectNotFound, PreconditionFailed."""
        self.try_until_answered(
            lambda: self.conditionally(lambda conditions: self.once("delete_object", name, **conditions), version)
        )

    def conditionally(self, call: Callable[[Mapping[str, str]], Any], if_version: str) -> Any:
        """The reply to call(headers), where headers make it depend on the object's version.

        A store that says that it can't do that is asked without; whoever calls has compared the version before.
        """
        headers = {"IfNoneMatch": "*"} if if_version == NEW else {"IfMatch": f'"{if_version}"'}
        try:
            return call(headers)
        except NotImplementedByStore:
            return call({})
