"""The duration of a media playlist: its segments, without those that are missing or advertisements."""

import re
from collections.abc import Iterable

_SECONDS = re.compile(r"#EXTINF:\s*(\d{1,9}(?:\.\d{0,9})?)")


class SkippedSegments:
    """Detects, line by line, the segments that are not fetched: missing ones (EXT-X-GAP) and advertisements.

    yt-dlp leaves out the advertisements that Anvato and Uplynk mark.
    """

    def __init__(self) -> None:
        self._is_gap = self._is_advertisement = False

    def ends_skipped_segment(self, line: str) -> bool:
        """Takes the next line; True for the URI of a segment that is left out."""
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
    """Seconds of the segments that are fetched (EXTINF, RFC 8216 §4.3.2.1)."""
    total = seconds = 0.0
    skipping = SkippedSegments()
    for line in filter(None, map(str.strip, lines)):
        is_left_out = skipping.ends_skipped_segment(line)
        if found := _SECONDS.match(line):
            seconds = float(found[1])
        elif not line.startswith("#"):
            total += 0.0 if is_left_out else seconds
            seconds = 0.0
    return total
