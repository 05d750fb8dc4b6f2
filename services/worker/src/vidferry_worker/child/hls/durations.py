"""How long a media playlist is: the segments that a player plays, without those that are said to be missing."""

import re
from collections.abc import Iterable

_SECONDS = re.compile(r"#EXTINF:\s*(\d{1,9}(?:\.\d{0,9})?)")


class Skipping:
    """Which segments of a playlist are not asked for, line by line: missing ones (EXT-X-GAP), and advertisements.

    yt-dlp leaves out the advertisements that Anvato and Uplynk mark.
    """

    def __init__(self) -> None:
        self._is_gap = self._is_advertisement = False

    def read(self, line: str) -> bool:
        """Takes the next line; whether it ends a segment that is left out."""
        if not line.startswith("#"):
            skipped, self._is_gap = self._is_gap or self._is_advertisement, False
            return skipped
        if line == "#EXT-X-GAP":
            self._is_gap = True
        elif line.startswith("#ANVATO-SEGMENT-INFO"):
            self._is_advertisement = "type=ad" in line or (self._is_advertisement and "type=master" not in line)
        elif line.startswith("#UPLYNK-SEGMENT"):
            self._is_advertisement = line.endswith(",ad") or (self._is_advertisement and not line.endswith(",segment"))
        return False


def sum_seconds(lines: Iterable[str]) -> float:
    """Seconds of the segments that are asked for (EXTINF, RFC 8216 §4.3.2.1)."""
    total = seconds = 0.0
    skipping = Skipping()
    for line in filter(None, map(str.strip, lines)):
        is_left_out = skipping.read(line)
        if found := _SECONDS.match(line):
            seconds = float(found[1])
        elif not line.startswith("#"):
            total += 0.0 if is_left_out else seconds
            seconds = 0.0
    return total
