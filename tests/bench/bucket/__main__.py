"""`make bench-bucket`: what an upload to S3 costs, beside boto3's own transfer, and while the file grows."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

from bench import report
from bench.worker import rows, sources
from bench.worker.__main__ import HEAD
from bench.worker.ways import Cost
from support.s3 import S3, STRICT, s3_service


async def whole(size: int, rounds: int) -> list[rows.Row]:
    """One finished file, to the server itself."""
    with tempfile.TemporaryDirectory(prefix="vidferry-bench-") as folder:
        sources.clip(Path(folder), "large.mp4", size)
        (Path(folder) / "s3").mkdir()
        with s3_service(Path(folder) / "s3") as s3:
            file = Path(folder) / "large.mp4"
            ours, theirs = await rows.in_turns(
                rounds, lambda: upload(s3, "vidferry", file), lambda: upload(s3, "boto3", file)
            )
    name = f"one file of {size // sources.MIB} MiB"
    return [rows.row(name, ours, "`upload_file` of boto3", theirs, "wall ≤ 1.1, CPU ≤ 1.1")]


async def upload(s3: S3, way: str, file: Path) -> Cost:
    """Past the layer; the object is removed again."""
    environment = s3.environment() | {
        "VIDFERRY_S3_ENDPOINT": f"http://127.0.0.1:{s3.layer.backend}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    name = f"videos/a/b/{uuid4().hex}"
    command = [sys.executable, "-m", "bench.bucket.uploads", way, str(file), name]
    done = await asyncio.to_thread(
        subprocess.run, command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE
    )
    s3.ask("DELETE", f"/{s3.bucket}/{name}")
    return Cost(*json.loads(done.stdout))


async def measure(*, short: bool) -> str:
    share = 4 if short else 1
    made: list[rows.Row] = await whole(1024 * sources.MIB // (8 if short else 1), 1 if short else 5)
    made += await rows.growing(256 * sources.MIB // share, 16 * sources.MIB // share, 1 if short else 3, s3_service)
    return report.table(HEAD, made)


def main() -> None:
    if STRICT not in os.environ:
        sys.exit(f"Name versitygw's program by {STRICT}, as `make bench-bucket` does.")
    short = "--short" in sys.argv
    text = asyncio.run(measure(short=short))
    print(text)
    if not short:
        report.keep("bucket", text)


if __name__ == "__main__":
    main()
