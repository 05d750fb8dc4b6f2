"""Resumable sessions, held before the fake: the object reaches it only whole and checked."""

import re
from dataclasses import dataclass, field
from typing import Any

from support.gcs_rules import Refused, Rules, check_crc32c

UNIT = 256 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_HASH = re.compile(r"crc32c=([^,\s]+)")


@dataclass
class Session:
    """One upload under way."""

    bucket: str
    resource: dict[str, Any]
    if_generation: str | None
    data: bytearray = field(default_factory=bytearray)
    finished: bytes | None = None
    """the reply to the last chunk, given again to who asks again"""

    def take(self, rules: Rules, content_range: str, body: bytes) -> bool:
        """Keeps a chunk; True where the upload is complete now."""
        found = _RANGE.fullmatch(content_range)
        if not found:
            raise Refused(400, f"Invalid Content-Range {content_range!r}")
        start, end, total = found.groups()
        if start is None:
            empty = total == "0"
            return empty or (not rules.status_queries and total != "*")
        if int(end) - int(start) + 1 != len(body):
            raise Refused(400, "Content-Range and body differ")
        last = total != "*" and int(end) + 1 == int(total)
        self._append(rules, int(start), body, last=last)
        return last and (len(self.data) == int(total) or not rules.chunks)

    def _append(self, rules: Rules, start: int, body: bytes, *, last: bool) -> None:
        if rules.chunks:
            if start > len(self.data):
                raise Refused(400, "a chunk is missing before this one")
            if not last and len(body) % UNIT:
                raise Refused(400, "chunks are multiples of 256 KiB")
            body = body[len(self.data) - start :]
        self.data += body

    def range(self) -> str | None:
        return f"bytes=0-{len(self.data) - 1}" if self.data else None

    def check(self, rules: Rules, goog_hash: str) -> None:
        found = _HASH.search(goog_hash)
        check_crc32c(rules, bytes(self.data), found[1] if found else None, self.resource.get("crc32c"))
