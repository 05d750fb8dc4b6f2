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
        description="Where finished videos are stored: `file:///absolute/path` for a folder, or `gs://name` with an "
        "optional `/prefix` for Cloud Storage.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="The secret that signs links to the files of a folder. Required if VIDFERRY_BUCKET is a folder, "
        "unused with Cloud Storage. At least 32 bytes, and the same for every api and worker.",
    )
    link_lifetime: float = Field(
        default=6 * HOUR,
        gt=0,
        le=LONGEST_LIFETIME,
        description="Seconds for which a link to a file is valid, at most 7 days. Links that IAM signs are valid for "
        "at most 12 hours, because Google rotates the signing keys.",
    )
    gcs_endpoint: str | None = Field(
        default=None,
        description="Another endpoint for Cloud Storage, such as a private endpoint or an emulator. An endpoint that "
        "begins with `http://` is treated as an emulator and receives no credentials, unless "
        "GOOGLE_APPLICATION_CREDENTIALS or GCE_METADATA_HOST is set.",
    )
    gcs_patience: float = Field(
        default=120,
        gt=0,
        le=3600,
        description="Seconds for which a failing request to Cloud Storage, or an upload that makes no progress, is "
        "retried before it fails.",
    )
    gcs_signer: str | None = Field(
        default=None,
        description="The service account (e-mail address) as which IAM signs links. Needed if the credentials have no "
        "private key, as with Workload Identity, and links should be signed by another account than the "
        "credentials' own.",
    )
    iam_endpoint: str | None = Field(
        default=None,
        description="Another endpoint for the IAM Service Account Credentials API.",
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
            raise ValueError(f"must be at least {KEY_BYTES} bytes long")
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
        print("VIDFERRY_SIGNING_KEY: is required if VIDFERRY_BUCKET is a folder.", file=sys.stderr)  # noqa: T201
        sys.exit(2)
