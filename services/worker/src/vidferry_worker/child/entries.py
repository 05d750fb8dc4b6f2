"""What names more videos than a person would look through is given up before yt-dlp looks at each of them.

It fetches the first alone, but reads all: a page of a hundred thousand takes it more than ten seconds.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from yt_dlp.extractor.common import InfoExtractor

from vidferry_common.contract.errors import ErrorCode, JobFailure

MOST = 1000
"""players on a page; embeds of one site on it; formats of a video, of which large sites offer some hundred"""
_PLAYERS = re.compile(r"<(?:(?:amp|dl8(?:-live)?)-)?(?:video|audio|source)\b")


def hold() -> None:
    """From here on a page of more is refused with JobFailure."""
    parse, embeds = InfoExtractor._parse_html5_media_entries, InfoExtractor.extract_from_webpage.__func__  # noqa: SLF001

    def parse_bounded(extractor: Any, base_url: str, webpage: str, *args: Any, **options: Any) -> Any:
        check_players(webpage)
        return parse(extractor, base_url, webpage, *args, **options)

    def embeds_bounded(extractor: Any, *args: Any) -> Iterator[Any]:
        for number, found in enumerate(embeds(extractor, *args), 1):
            check_page(number)
            yield found

    InfoExtractor._parse_html5_media_entries = parse_bounded  # noqa: SLF001
    InfoExtractor.extract_from_webpage = classmethod(embeds_bounded)


def check_players(webpage: str) -> None:
    """JobFailure where a page has too many players and sources."""
    check_page(sum(1 for _ in islice(_PLAYERS.finditer(webpage), MOST + 1)))


def check_page(count: int) -> None:
    """JobFailure where that is too many videos."""
    if count > MOST:
        raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"the page has more than {MOST} videos")


def check_formats(video: dict[str, Any]) -> None:
    """JobFailure where a video has too many: yt-dlp compares them all."""
    if len(video.get("formats") or ()) > MOST:
        raise JobFailure(ErrorCode.UNSUPPORTED_STREAM, f"the video has more than {MOST} formats")
