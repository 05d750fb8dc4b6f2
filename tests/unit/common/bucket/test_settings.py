"""The bucket's settings, as they come from the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from vidferry_common.bucket import BucketSettings, FolderBucket, open_bucket
from vidferry_common.bucket.gcs import GcsBucket
from vidferry_common.bucket.s3 import S3Bucket
from vidferry_common.bucket.settings import FolderLocation, GcsLocation, S3Location


@pytest.mark.parametrize(
    ("bucket", "location"),
    [
        ("file:///srv/videos", FolderLocation(Path("/srv/videos"))),
        ("gs://films", GcsLocation("films", "")),
        ("gs://films/", GcsLocation("films", "")),
        ("gs://films/team/a/", GcsLocation("films", "team/a")),
        ("s3://films", S3Location("films", "")),
        ("s3://films.example/team/a/", S3Location("films.example", "team/a")),
    ],
)
def test_locations(monkeypatch: pytest.MonkeyPatch, bucket: str, location: object) -> None:
    monkeypatch.setenv("VIDFERRY_BUCKET", bucket)
    settings = BucketSettings()  # type: ignore[call-arg]
    assert settings.location == location
    assert settings.link_lifetime == 21600
    assert settings.signing_key is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bucket", "file://films"),
        ("bucket", "gs://"),
        ("bucket", "films"),
        ("bucket", "s3://"),
        ("bucket", "s3://Films"),
        ("bucket", "s3://arn:aws:s3:eu-west-1:1:accesspoint/x"),
        ("bucket", "s3://films/a#b"),
        ("bucket", "s3://films/" + "x" * 81),
        ("s3_endpoint", "store.example:9000"),
        ("s3_public_endpoint", "https://user:password@store.example"),
        ("s3_addressing", "host"),
        ("s3_storage_class", "standard; x"),
        ("iam_endpoint", "ftp://x"),
    ],
)
def test_wrong_values_are_refused(name: str, value: str) -> None:
    """More of them, and their sentences: tests/unit/common/test_settings.py."""
    with pytest.raises(ValidationError, match=name):
        BucketSettings(**{"bucket": "gs://films", name: value})  # type: ignore[arg-type]


def test_the_key_is_not_printed_and_nothing_changes() -> None:
    settings = BucketSettings(bucket="gs://films", signing_key=SecretStr("secret-" * 8))
    assert "secret-" not in repr(settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.bucket = "gs://other"
    assert all(field.description for field in BucketSettings.model_fields.values())


@pytest.mark.parametrize("library", ["google.cloud.storage", "boto3"])
def test_a_folder_needs_no_client_of_a_store(tmp_path: Path, library: str) -> None:
    """The laptop's start stays quick."""
    program = (
        "import sys\nfrom vidferry_common.bucket import BucketSettings, open_bucket\n"
        f"open_bucket(BucketSettings(bucket='file://{tmp_path}/b'))\nprint({library!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_address_decides_the_home(tmp_path: Path) -> None:
    assert isinstance(open_bucket(BucketSettings(bucket=f"file://{tmp_path}")), FolderBucket)
    assert isinstance(open_bucket(BucketSettings(bucket="gs://films")), GcsBucket)
    assert isinstance(open_bucket(BucketSettings(bucket="s3://films")), S3Bucket)
