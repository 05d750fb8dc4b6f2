"""Limits the pages and documents that yt-dlp's extractors read.

By itself, yt-dlp reads everything, though only the first video is fetched: a page with a hundred thousand takes more
than ten seconds. With the patch, a page or document above the limits of child/page_limits.py is refused.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.extractor import common, generic
from yt_dlp.extractor.common import InfoExtractor

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.page_limits import MAX_VIDEOS, check_json, check_players, check_video_count, check_xml

MAX_DOCUMENTS = 50
"""documents of one type that lead to each other"""
_DOCUMENTS = {
    "_parse_f4m_formats": {"media"},
    "_parse_ism_formats_and_subtitles": {"QualityLevel"},
    "_parse_smil_formats_and_subtitles": {"audio", "imagestream", "media", "textstream", "video"},
    "_parse_xspf": {"location", "track"},
}
"""yt-dlp's XML parsers without limits, and the elements that become videos or formats"""


def install() -> None:
    """Installs the patch: a page or document above a limit is a JobFailure."""
    _limit_players()
    _limit_embeds()
    _limit_json()
    _limit_xml()


def _limit_players() -> None:
    parse = InfoExtractor._parse_html5_media_entries  # noqa: SLF001 - what is changed here is yt-dlp's own

    def parse_limited(extractor: Any, base_url: str, webpage: str, *args: Any, **options: Any) -> Any:
        check_players(webpage)
        return parse(extractor, base_url, webpage, *args, **options)

    InfoExtractor._parse_html5_media_entries = parse_limited  # noqa: SLF001


def _limit_embeds() -> None:
    find_embeds = InfoExtractor.extract_from_webpage.__func__

    def find_limited(extractor: Any, *args: Any) -> Iterator[Any]:
        for number, found in enumerate(find_embeds(extractor, *args), 1):
            check_video_count(number)
            yield found

    InfoExtractor.extract_from_webpage = classmethod(find_limited)


def _limit_json() -> None:
    parse_json = InfoExtractor._parse_json  # noqa: SLF001

    def parse_json_limited(extractor: Any, json_string: Any, *args: Any, **options: Any) -> Any:
        check_json(json_string)
        return parse_json(extractor, json_string, *args, **options)

    InfoExtractor._parse_json = parse_json_limited  # noqa: SLF001


def _limit_xml() -> None:
    parse_xml = common.compat_etree_fromstring

    def parse_xml_limited(text: Any) -> Any:
        check_xml(text)
        return parse_xml(text)

    common.compat_etree_fromstring = generic.compat_etree_fromstring = parse_xml_limited
    for name, elements in _DOCUMENTS.items():
        setattr(InfoExtractor, name, _limit_elements(getattr(InfoExtractor, name), elements))


def _limit_elements(parse: Callable[..., Any], names: set[str]) -> Callable[..., Any]:
    """Wraps an XML parser: too many of these elements, or too many documents, are a JobFailure."""
    read = 0

    def parse_limited(extractor: Any, document: Any, *args: Any, **options: Any) -> Any:
        nonlocal read
        read += 1
        if read > MAX_DOCUMENTS:
            raise JobFailure(ErrorCode.UNSUPPORTED_SITE, f"more than {MAX_DOCUMENTS} manifests that lead to each other")
        if isinstance(document, Element):  # yt-dlp passes something else for a document that it could not read
            found = (each for each in document.iter() if str(each.tag).rpartition("}")[2] in names)
            check_video_count(sum(1 for _ in islice(found, MAX_VIDEOS + 1)))
        return parse(extractor, document, *args, **options)

    return parse_limited
