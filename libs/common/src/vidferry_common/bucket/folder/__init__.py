"""A folder as the bucket: for one machine, or on a volume that all pods share."""

from vidferry_common.bucket.folder.bucket import FolderBucket, OpenedObject

__all__ = ["FolderBucket", "OpenedObject"]
