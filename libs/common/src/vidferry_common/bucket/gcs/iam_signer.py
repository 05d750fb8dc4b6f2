"""Signing by IAM, where the credentials hold no private key, as with Workload Identity.

It needs the role Service Account Token Creator on the account in whose name links are signed.
"""

import base64
from http import HTTPStatus
from typing import Any

import google.auth.credentials
from google.api_core import exceptions as service

from vidferry_common.bucket.errors import StorageDenied
from vidferry_common.bucket.gcs.client import TIMEOUT


class IamSigner(google.auth.credentials.Signing):
    """Signs through IAM's signBlob. Unlike google.auth.iam.Signer, it bounds its calls and tells their errors apart."""

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
