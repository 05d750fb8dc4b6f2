"""CRC-32C, as Cloud Storage computes and writes it: base64 of the four bytes, big-endian."""

import base64

import google_crc32c


class Crc32c:
    """A checksum that is computed piece by piece."""

    def __init__(self) -> None:
        self._sum = 0

    def update(self, data: bytes) -> None:
        self._sum = google_crc32c.extend(self._sum, data)

    def __str__(self) -> str:
        return base64.b64encode(self._sum.to_bytes(4, "big")).decode()


def crc32c(data: bytes) -> str:
    running = Crc32c()
    running.update(data)
    return str(running)
