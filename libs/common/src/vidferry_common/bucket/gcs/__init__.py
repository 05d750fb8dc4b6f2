"""Google Cloud Storage as the bucket. Only this package imports google.*; its errors become BucketErrors here."""

from vidferry_common.bucket.gcs.bucket import GcsBucket

__all__ = ["GcsBucket"]
