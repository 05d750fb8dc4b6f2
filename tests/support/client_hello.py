"""What a site sees of its client's program: the ClientHello of TLS, as JA4 sums it up, and how HTTP/2 begins."""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

SERVER_NAME, ALPN, SIGNATURES, VERSIONS = 0x0000, 0x0010, 0x000D, 0x002B
HANDSHAKE, CLIENT_HELLO = 22, 1


@dataclass(frozen=True)
class ClientHello:
    ciphers: tuple[int, ...]
    extensions: dict[int, bytes]

    @classmethod
    def parse(cls, record: bytes) -> "ClientHello":
        """From the first record of a connection (RFC 8446 §4.1.2, §5.1); ValueError for another one."""
        if record[:1] != bytes([HANDSHAKE]) or record[5:6] != bytes([CLIENT_HELLO]):
            raise ValueError("no ClientHello")
        at = 9 + 2 + 32  # the record's and the message's heads, the version, the random
        at += 1 + record[at]  # session id
        (length,) = struct.unpack_from(">H", record, at)
        ciphers = struct.unpack_from(f">{length // 2}H", record, at + 2)
        at += 2 + length
        at += 1 + record[at]  # compression methods
        extensions = {}
        at += 2
        while at < len(record):
            kind, length = struct.unpack_from(">HH", record, at)
            extensions[kind] = record[at + 4 : at + 4 + length]
            at += 4 + length
        return cls(ciphers, extensions)

    @property
    def ja4(self) -> str:
        """JA4, as its authors describe it (FoxIO-LLC/ja4, technical_details/JA4.md)."""
        ciphers, extensions = list(_without_grease(self.ciphers)), list(_without_grease(self.extensions))
        versions = _numbers(self.extensions.get(VERSIONS, b"")[1:])
        newest = {0x0304: "13", 0x0303: "12"}.get(max(_without_grease(versions), default=0x0303), "00")
        first = self.extensions.get(ALPN, b"")[3:]
        alpn = first[: self.extensions[ALPN][2]].decode() if first else "00"
        named = "d" if SERVER_NAME in self.extensions else "i"
        start = f"t{newest}{named}{len(ciphers):02}{len(extensions):02}{alpn[0]}{alpn[-1]}"
        sorted_extensions = ",".join(f"{each:04x}" for each in sorted(extensions) if each not in {SERVER_NAME, ALPN})
        signatures = ",".join(f"{each:04x}" for each in _numbers(self.extensions.get(SIGNATURES, b"")[2:]))
        return "_".join([
            start,
            _digest(",".join(f"{each:04x}" for each in sorted(ciphers))),
            _digest(f"{sorted_extensions}_{signatures}"),
        ])  # fmt: skip


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(data) // 2}H", data)


def _without_grease(numbers: "tuple[int, ...] | dict[int, bytes]") -> Iterator[int]:
    """RFC 8701: values that mean nothing, which clients sprinkle in at random."""
    return (each for each in numbers if each & 0x0F0F != 0x0A0A)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
