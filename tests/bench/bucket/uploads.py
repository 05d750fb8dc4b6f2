"""One upload to S3 in a process of its own: python -m bench.bucket.uploads vidferry|boto3 FILE NAME

Prints what it cost from an open connection to the stored object: seconds of wall and of CPU.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import boto3
from botocore.config import Config

from vidferry_common.bucket import BucketSettings, Upload, open_bucket

TYPE = "video/mp4"


async def measured(upload: Callable[[], Awaitable[object]]) -> str:
    begun, before = time.perf_counter(), time.process_time()
    await upload()
    return json.dumps([time.perf_counter() - begun, time.process_time() - before])


async def by_vidferry(path: Path, name: str) -> str:
    """As a worker uploads a finished file."""
    bucket = open_bucket(BucketSettings())  # type: ignore[call-arg]
    await bucket.check()
    try:
        with path.open("rb") as file:
            return await measured(lambda: bucket.upload(Upload(name, TYPE), file, path.stat().st_size, lambda _: None))
    finally:
        await bucket.close()


async def by_boto3(path: Path, name: str) -> str:
    """boto3's own transfer with its defaults: parts of 8 MiB by ten threads."""
    settings = BucketSettings()  # type: ignore[call-arg]
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint, config=Config(signature_version="s3v4"))
    bucket = settings.bucket.removeprefix("s3://")
    client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    extra = {"ContentType": TYPE}
    return await measured(lambda: asyncio.to_thread(client.upload_file, str(path), bucket, name, ExtraArgs=extra))


def main() -> None:
    way, path, name = sys.argv[1:]
    print(asyncio.run({"vidferry": by_vidferry, "boto3": by_boto3}[way](Path(path), name)))


if __name__ == "__main__":
    main()
