"""The hostile zone, and a DNS server (RFC 1035) that answers for it."""

import asyncio
import socket
import struct
from collections import Counter
from typing import Any

ORIGIN, ORIGIN_V6 = "93.184.215.14", "2606:2800:21f::14"
INNER = "169.254.169.254"
A, AAAA = 1, 28
ZONE: dict[str, dict[int, list[list[str]]]] = {
    # For each type its answers, one after the other; the last one stays.
    "evil.example": {A: [[ORIGIN]], AAAA: [[ORIGIN_V6]]},
    "inner.example": {A: [[INNER]]},
    "loop.example": {A: [["127.0.0.1"]], AAAA: [["::1"]]},
    "mapped.example": {AAAA: [["::ffff:169.254.169.254"]]},
    "mixed.example": {A: [[INNER, "10.0.0.7", ORIGIN]]},
    "rebind.example": {A: [[ORIGIN], [INNER]]},
}


class Names(asyncio.DatagramProtocol):
    """Over UDP."""

    def __init__(self) -> None:
        self._asked: Counter[tuple[str, int]] = Counter()
        self._transport: Any = None

    def forget(self) -> None:
        """Every name begins again with its first answer."""
        self._asked.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        name, end = _read_name(data)
        kind = int.from_bytes(data[end : end + 2], "big")
        records = self._answer(name, kind)
        known = 0 if name in ZONE else 3  # NXDOMAIN
        head = data[:2] + struct.pack(">HHHHH", 0x8580 | known, 1, len(records), 0, 0)
        self._transport.sendto(head + data[12 : end + 4] + b"".join(records), addr)

    def _answer(self, name: str, kind: int) -> list[bytes]:
        answers = ZONE.get(name, {}).get(kind)
        if not answers:
            return []
        turn = min(self._asked[name, kind], len(answers) - 1)
        self._asked[name, kind] += 1
        family = socket.AF_INET if kind == A else socket.AF_INET6
        packed = [socket.inet_pton(family, address) for address in answers[turn]]
        return [struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(each)) + each for each in packed]


def _read_name(data: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1
