"""boto3's connection to a store, with the credentials of the usual chain, and without retries of its own."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config

from vidferry_common.bucket.settings import BucketSettings
from vidferry_common.bucket.threads import ALL_THREADS

CONNECT_SECONDS = 10
"""to connect, and for each write of an upload"""
READ_SECONDS = 60
"""to wait for a reply: some stores answer the end of a large upload only when they have copied its parts together"""
HELPERS = 32
"""threads that send the parts of uploads, and ask for what a list does not tell"""
_REGION = "us-east-1"
"""what stores without regions expect"""

for _library in ("boto3", "botocore", "s3transfer", "urllib3"):
    # What they log for debugging has signatures and whole requests in it.
    logging.getLogger(_library).setLevel(logging.WARNING)


class Connection:
    """The clients of one store, made at first use, and anew once the store refuses their credentials as old."""

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self._making = threading.Lock()
        self._session: boto3.Session | None = None
        self._client: Any = None
        self._signer: Any = None

    def client(self) -> Any:
        """The client that makes requests."""
        with self._making:
            if self._client is None:
                self._client = self._make(self._settings.s3_endpoint)
            return self._client

    def signer(self) -> Any:
        """The client that signs links: it knows the store by the name that browsers know it by."""
        with self._making:
            if self._signer is None:
                self._signer = self._make(self._settings.s3_public_endpoint or self._settings.s3_endpoint)
            return self._signer

    def seconds_left(self) -> float | None:
        """For how long the credentials are valid, which boto3 renews in time; None where they don't say."""
        credentials = self._session_now().get_credentials()
        if credentials is None:
            return None
        credentials.get_frozen_credentials()  # renews them where that is due
        expires: datetime | None = getattr(credentials, "_expiry_time", None)
        return None if expires is None else (expires - datetime.now(UTC)).total_seconds()

    def renew(self, client: Any) -> None:
        """Reads the credentials anew at the next request: a file or a variable's file may have newer ones.

        client: the one whose credentials were refused. Where another thread has renewed it already, the new one stays.
        """
        with self._making:
            if self._client is client:
                self._session = self._client = self._signer = None

    def close(self) -> None:
        for each in (self._client, self._signer):
            if each is not None:
                each.close()

    def _session_now(self) -> boto3.Session:
        with self._making:
            return self._open_session()

    def _open_session(self) -> boto3.Session:
        if self._session is None:
            self._session = boto3.Session(region_name=self._settings.s3_region)
        return self._session

    def _make(self, endpoint: str | None) -> Any:
        session = self._open_session()
        options: dict[str, Any] = {"addressing_style": self._settings.s3_addressing}
        if endpoint is None or endpoint.startswith("https://"):
            options["payload_signing_enabled"] = False  # TLS protects it, and a checksum of its own is signed
        return session.client(
            "s3",
            region_name=session.region_name or _REGION,
            endpoint_url=endpoint,
            verify=str(self._settings.s3_ca_file) if self._settings.s3_ca_file else None,
            config=Config(
                signature_version="s3v4",  # else links are signed by a scheme that stores refuse
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=ALL_THREADS + HELPERS,
                retries={"total_max_attempts": 1, "mode": "standard"},  # patience.py repeats requests
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                ignore_configured_endpoint_urls=True,
                s3=options,
            ),
        )
