"""Where the bucket is, and how links to it are signed."""

import sys
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, SecretStr, field_validator

from vidferry_common.settings import Settings, parse_http_url

HOUR = 3600
LONGEST_LIFETIME = 7 * 24 * HOUR
"""seconds; V4 signatures of Cloud Storage live no longer"""
KEY_BYTES = 32


class FolderLocation(NamedTuple):
    """A folder of this machine."""

    path: Path


class GcsLocation(NamedTuple):
    """A bucket of Cloud Storage."""

    bucket: str
    prefix: str
    """without slashes at its ends; empty where there is none"""


class BucketSettings(Settings):
    """Where the bucket is and how it is used, for api and worker."""

    bucket: str = Field(
        description="Where finished videos go: `file:///absolute/path`, or `gs://name` with an optional `/prefix`.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Signs the links to a folder's files, and is required there: a secret of at least 32 bytes, the "
        "same for every api and worker. Not used with Cloud Storage.",
    )
    link_lifetime: float = Field(
        default=6 * HOUR,
        gt=0,
        le=LONGEST_LIFETIME,
        description="How long a link to a file lives, in seconds; 7 days at most. Links signed through IAM live 12 "
        "hours at most, because the keys used there are replaced.",
    )
    gcs_endpoint: str | None = Field(
        default=None,
        description="Another address of Cloud Storage, such as a private endpoint or an emulator's. One that begins "
        "with `http://` is taken for an emulator's and gets no credentials, unless GOOGLE_APPLICATION_CREDENTIALS or "
        "GCE_METADATA_HOST names some.",
    )
    gcs_patience: float = Field(
        default=120,
        gt=0,
        le=3600,
        description="Seconds for which a request to Cloud Storage, or an upload that does not get on, is tried again "
        "before it counts as failed.",
    )
    gcs_signer: str | None = Field(
        default=None,
        description="The service account (its e-mail) in whose name IAM signs links, where the credentials hold no "
        "private key, as with Workload Identity. By default the credentials' own account.",
    )
    iam_endpoint: str | None = Field(
        default=None,
        description="Another address of the IAM Service Account Credentials API.",
    )

    @field_validator("bucket")
    @classmethod
    def _check_location(cls, value: str) -> str:
        parse_location(value)
        return value

    @field_validator("signing_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < KEY_BYTES:
            raise ValueError(f"must have at least {KEY_BYTES} bytes")
        return value

    @field_validator("gcs_endpoint", "iam_endpoint")
    @classmethod
    def _check_http_url(cls, value: str | None) -> str | None:
        if value:
            parse_http_url(value)
        return value.rstrip("/") if value else value

    @property
    def location(self) -> FolderLocation | GcsLocation:
        return parse_location(self.bucket)


def parse_location(bucket: str) -> FolderLocation | GcsLocation:
    """The location that VIDFERRY_BUCKET names; ValueError where it names none."""
    scheme, _, rest = bucket.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderLocation(Path(rest))
    name, _, prefix = rest.partition("/")
    if scheme == "gs" and name:
        return GcsLocation(name, prefix.strip("/"))
    raise ValueError("must be file:///absolute/path, or gs://name with an optional /prefix")


def require_signing_key(settings: BucketSettings) -> None:
    """Ends the program with a sentence where links can't be signed, which else shows only at the first video's end."""
    if settings.signing_key is None and isinstance(settings.location, FolderLocation):
        print("VIDFERRY_SIGNING_KEY: is required where VIDFERRY_BUCKET is a folder.", file=sys.stderr)  # noqa: T201
        sys.exit(2)
