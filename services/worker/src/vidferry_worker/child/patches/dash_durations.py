"""Keeps the duration that a DASH manifest announces (ISO/IEC 23009-1 §5.3.1.2).

By itself, yt-dlp drops @mediaPresentationDuration; with the patch, each format of the manifest has it.
"""

from collections.abc import Iterator
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from vidferry_worker.child import expected_duration


def install() -> None:
    parse = InfoExtractor._parse_mpd_periods  # noqa: SLF001 - what is changed here is yt-dlp's own

    def parse_with_length(extractor: Any, mpd_doc: Any, *args: Any, **options: Any) -> Iterator[Any]:
        expected = expected_duration.from_dash_manifest(mpd_doc)
        for period in parse(extractor, mpd_doc, *args, **options):
            for each in period.get("formats", ()):
                each[expected_duration.WHOLE_MANIFEST] = expected
            yield period

    InfoExtractor._parse_mpd_periods = parse_with_length  # noqa: SLF001
