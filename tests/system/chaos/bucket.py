"""The bucket of a run: what is in it, and what may befall it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from support import s3_faults
from support.s3 import S3, s3_service


class ChaosBucket(Protocol):
    """What a verdict asks, and what strikes."""

    environment: Mapping[str, str]
    """what services are told of it"""
    strokes: Mapping[str, Callable[[random.Random], None]]
    """what may befall it, by its name"""

    def names(self) -> list[str]:
        """Of all objects."""

    def left(self) -> list[str]:
        """What is there besides objects, and is of no use; what an attempt leaves that is killed doesn't count."""


class FolderOfRun:
    """A folder, to which nothing happens."""

    strokes: Mapping[str, Callable[[random.Random], None]] = {}

    def __init__(self, root: Path) -> None:
        self._root = root
        self.environment: Mapping[str, str] = {}

    def names(self) -> list[str]:
        objects = self._root / "objects"
        return [str(record.relative_to(objects)).removesuffix("#meta") for record in objects.rglob("*#meta")]

    def left(self) -> list[str]:
        """An object is two files: its bytes, and what is known of it."""
        files = Counter(str(file).partition("#")[0] for file in (self._root / "objects").rglob("*") if file.is_file())
        odd = [f"{count} files of {name}" for name, count in files.items() if count != 2]
        return odd + [str(file) for file in (self._root / "incoming").iterdir()]


class S3OfRun:
    """A store that is busy, loses replies and breaks off."""

    def __init__(self, s3: S3) -> None:
        self._s3, self._faults = s3, s3.layer.faults
        self.environment: Mapping[str, str] = s3.environment()
        self.strokes: Mapping[str, Callable[[random.Random], None]] = {
            "the bucket is busy": self._be_busy,
            "a transfer to the bucket breaks off": self._break_off,
            "the bucket's reply to a write is lost": self._lose_reply,
            "the bucket tells of an error inside its reply": self._tell_inside,
        }

    def names(self) -> list[str]:
        return self._s3.names()

    def left(self) -> list[str]:
        """Parts of killed attempts stay until the housekeeping of a day."""
        return []

    def _be_busy(self, rng: random.Random) -> None:
        self._faults.add(
            "put", "begin", "part", "complete", "head", "list", times=rng.randint(1, 12), **s3_faults.SLOW_DOWN
        )

    def _break_off(self, rng: random.Random) -> None:
        self._faults.add("put", "part", cut=True, keep=rng.randrange(300_000), times=rng.randint(1, 3))

    def _lose_reply(self, rng: random.Random) -> None:
        self._faults.add("put", "complete", cut=True, after=True, times=rng.randint(1, 2))

    def _tell_inside(self, rng: random.Random) -> None:
        self._faults.add("complete", inside=True, after=rng.random() < 0.5, **s3_faults.INTERNAL)


@contextmanager
def chaos_bucket(kind: str, folder: Path) -> Iterator[ChaosBucket]:
    """A bucket of that kind: in the folder given, or a store whose files are elsewhere."""
    if kind == "folder":
        yield FolderOfRun(folder)
        return
    with TemporaryDirectory(prefix="vidferry-store-") as files, s3_service(Path(files)) as s3:
        yield S3OfRun(s3)
