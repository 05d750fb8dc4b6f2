"""Bytes to upload, and files that stop halfway until a test says so."""

import asyncio
import io
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

from vidferry_common.bucket import NEW, Bucket, StoredObject, Upload

MIB = 1024 * 1024
NAME = "videos/youtube/youtube.com/dQw4w9WgXcQ/best-720p"


def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes of which no chunk equals another, so that a mix-up is seen."""
    block = b"".join(((i * 2654435761 + seed) & 0xFFFFFFFF).to_bytes(4, "big") for i in range(min(size, MIB) // 4 + 1))
    return b"".join(bytes([seed, n]) + block for n in range(size // len(block) + 1))[:size]


class HeldSource(io.BytesIO):
    """Reading past a point waits until released."""

    def __init__(self, data: bytes, hold_at: int) -> None:
        super().__init__(data)
        self._hold_at = hold_at
        self._reached = threading.Event()
        self.released = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._hold_at:
            self._reached.set()
            self.released.wait()
        return super().read(size)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 30)


async def put(
    bucket: Bucket, data: bytes, name: str = NAME, version: str = NEW, filename: str = "A film.mp4"
) -> StoredObject:
    what = Upload(name, "video/mp4", filename, {"download": "d1"}, version)
    return await bucket.upload(what, io.BytesIO(data), len(data), lambda _: None)


def taken_apart(url: str) -> tuple[str, dict[str, str]]:
    """A folder's link as the api's router hands it on: the decoded name, and the query."""
    parts = urlsplit(url)
    assert parts.path.startswith("/files/")
    return unquote(parts.path.removeprefix("/files/")), dict(parse_qsl(parts.query))
