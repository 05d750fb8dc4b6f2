"""Where the bucket is, and how links to it are signed."""

import re
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, SecretStr, field_validator

from vidferry_common.settings import Settings, parse_http_url

HOUR = 3600
LONGEST_LIFETIME = 7 * 24 * HOUR
"""seconds; V4 signatures of Cloud Storage and of S3 live no longer"""
KEY_BYTES = 32
_S3_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_PREFIX_BYTES = 80
"""stores take names of 1024 bytes: names.NAME_BYTES, and what s3/records.py appends"""


class FolderLocation(NamedTuple):
    """A folder of this machine."""

    path: Path


class StoreLocation(NamedTuple):
    """A part of a store's bucket, whose objects all have names that begin with the prefix."""

    bucket: str
    prefix: str
    """without slashes at its ends; empty where there is none"""

    def full_name(self, name: str) -> str:
        """An object's name in the whole bucket."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def short_name(self, full_name: str) -> str:
        """The name of an object below the prefix, without that."""
        return full_name.removeprefix(self.full_name(""))


class GcsLocation(StoreLocation):
    """A bucket of Cloud Storage."""

    __slots__ = ()


class S3Location(StoreLocation):
    """A bucket of an S3-compatible store."""

    __slots__ = ()


Location = FolderLocation | GcsLocation | S3Location


class BucketSettings(Settings):
    """Where the bucket is and how it is used, for api and worker."""

    bucket: str = Field(
        description="Where finished videos are stored: `file:///absolute/path` for a folder, or `gs://name` with an "
        "optional `/prefix` for Cloud Storage, or `s3://name` with an optional `/prefix` for an S3-compatible store.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="The secret that signs links to the files of a folder. Required if VIDFERRY_BUCKET is a folder, "
        "unused otherwise. At least 32 bytes, and the same for every api and worker.",
    )
    link_lifetime: float = Field(
        default=6 * HOUR,
        gt=0,
        le=LONGEST_LIFETIME,
        description="Seconds for which a link to a file is valid, at most 7 days. Links that IAM signs are valid for "
        "at most 12 hours, because Google rotates the signing keys. With S3, a link ends with the credentials that "
        "signed it: those of a role are valid for an hour, mostly.",
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

    s3_endpoint: str | None = Field(
        default=None,
        description="The URL of the S3-compatible store, as api and workers reach it. Without it, AWS in the region.",
    )
    s3_public_endpoint: str | None = Field(
        default=None,
        description="The store's URL in the links to files, where browsers reach it by another one than "
        "VIDFERRY_S3_ENDPOINT.",
    )
    s3_region: str | None = Field(
        default=None,
        description="The bucket's region. Without it, that of AWS_REGION or of a profile, else `us-east-1`, which "
        "stores without regions expect.",
    )
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="Where the bucket's name stands in URLs: `path` (`https://store/bucket/…`), `virtual` "
        "(`https://bucket.store/…`), or `auto`: `path` with VIDFERRY_S3_ENDPOINT, `virtual` with AWS.",
    )
    s3_kms_key: str | None = Field(
        default=None,
        description="The key of AWS KMS (id, ARN or alias) that encrypts what is stored. Without it, the bucket's own "
        "encryption counts.",
    )
    s3_storage_class: str | None = Field(
        default=None,
        pattern=r"^[A-Z0-9_]{1,64}$",
        description="The storage class of videos, such as `INTELLIGENT_TIERING`. Links need one that can be read at "
        "once.",
    )
    s3_ca_file: Path | None = Field(
        default=None,
        description="A file with the certificates (PEM) of the authorities that the store's certificate may be of, "
        "instead of the public ones.",
    )
    s3_patience: float = Field(
        default=120,
        gt=0,
        le=3600,
        description="Seconds for which a failing request to an S3-compatible store, or a part of an upload that does "
        "not arrive, is retried before it fails.",
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

    @field_validator("gcs_endpoint", "iam_endpoint", "s3_endpoint", "s3_public_endpoint")
    @classmethod
    def _check_http_url(cls, value: str | None) -> str | None:
        if value:
            parse_http_url(value)
        return value.rstrip("/") if value else value

    @property
    def location(self) -> Location:
        return parse_location(self.bucket)


def parse_location(bucket: str) -> Location:
    """The location that VIDFERRY_BUCKET names; ValueError where it names none."""
    scheme, _, rest = bucket.partition("://")
    if scheme == "file" and rest.startswith("/"):
        return FolderLocation(Path(rest))
    name, _, prefix = rest.partition("/")
    if scheme == "gs" and name:
        return GcsLocation(name, prefix.strip("/"))
    if scheme == "s3" and name:
        return _s3_location(name, prefix.strip("/"))
    raise ValueError("must be file:///absolute/path, gs://name or s3://name, the last two with an optional /prefix")


def _s3_location(name: str, prefix: str) -> S3Location:
    if not _S3_BUCKET.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an S3 bucket: 3 to 63 small letters, digits, dots and hyphens")
    if len(prefix.encode()) > _S3_PREFIX_BYTES or not prefix.isprintable() or set("\\#?") & set(prefix):
        raise ValueError(f"the prefix has more than {_S3_PREFIX_BYTES} bytes, or one of \\ # ?")
    return S3Location(name, prefix)


def require_signing_key(settings: BucketSettings) -> None:
    """Ends the program with a sentence where links can't be signed, which else shows only at the first video's end."""
    if settings.signing_key is None and isinstance(settings.location, FolderLocation):
        print("VIDFERRY_SIGNING_KEY: is required if VIDFERRY_BUCKET is a folder.", file=sys.stderr)  # noqa: T201
        sys.exit(2)
