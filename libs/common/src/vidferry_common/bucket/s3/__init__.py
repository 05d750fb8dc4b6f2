"""An S3-compatible store as the bucket. Only this package imports boto3; its errors become BucketErrors here."""

from vidferry_common.bucket.s3.bucket import S3Bucket

__all__ = ["S3Bucket"]
