"""Removes the fragments from Smooth Streaming manifests before yt-dlp reads them.

By itself, yt-dlp lists all fragments for each quality level, and repeats them as often as `r` says. With the patch, it
lists none: they are never fetched here (stream_checks.NATIVE_PROTOCOLS).
"""

from typing import Any

from yt_dlp.extractor.common import InfoExtractor


def install() -> None:
    parse = InfoExtractor._parse_ism_formats_and_subtitles  # noqa: SLF001 - what is changed here is yt-dlp's own

    def parse_without_fragments(extractor: Any, ism_doc: Any, *args: Any, **options: Any) -> Any:
        for stream in ism_doc.findall("StreamIndex"):
            stream[:] = [each for each in stream if each.tag != "c"]
        return parse(extractor, ism_doc, *args, **options)

    InfoExtractor._parse_ism_formats_and_subtitles = parse_without_fragments  # noqa: SLF001
