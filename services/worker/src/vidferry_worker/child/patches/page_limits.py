"""What names more videos than a person would look through is given up before yt-dlp looks at each of them.

It fetches the first alone, but reads all: a page of a hundred thousand takes it more than ten seconds.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.extractor import common, generic
from yt_dlp.extractor.common import InfoExtractor

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.child.page_limits import MOST, check_json, check_page, check_players, check_xml

MOST_DOCUMENTS = 50
"""of one kind that lead to each other"""
_DOCUMENTS = {
    "_parse_f4m_formats": {"media"},
    "_parse_ism_formats_and_subtitles": {"QualityLevel"},
    "_parse_smil_formats_and_subtitles": {"audio", "imagestream", "media", "textstream", "video"},
    "_parse_xspf": {"location", "track"},
}
"""yt-dlp's readers of XML that bound nothing, and the elements of which each becomes a video or a format"""


def install() -> None:
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
    parse_json = InfoExtractor._parse_json  # noqa: SLF001

    def parse_json_bounded(extractor: Any, json_string: Any, *args: Any, **options: Any) -> Any:
        check_json(json_string)
        return parse_json(extractor, json_string, *args, **options)

    InfoExtractor._parse_json = parse_json_bounded  # noqa: SLF001
    parse_xml = common.compat_etree_fromstring

    def parse_xml_bounded(text: Any) -> Any:
        check_xml(text)
        return parse_xml(text)

    common.compat_etree_fromstring = generic.compat_etree_fromstring = parse_xml_bounded
    for name, elements in _DOCUMENTS.items():
        setattr(InfoExtractor, name, _bounded(getattr(InfoExtractor, name), elements))


def _bounded(parse: Callable[..., Any], names: set[str]) -> Callable[..., Any]:
    """A reader of XML that gives up a document with too many of those elements, and documents without end."""
    read = 0

    def parse_bounded(extractor: Any, document: Any, *args: Any, **options: Any) -> Any:
        nonlocal read
        read += 1
        if read > MOST_DOCUMENTS:
            raise JobFailure(
                ErrorCode.UNSUPPORTED_SITE, f"more than {MOST_DOCUMENTS} manifests that lead to each other"
            )
        if isinstance(document, Element):  # yt-dlp passes on what could not be read
            found = (each for each in document.iter() if str(each.tag).rpartition("}")[2] in names)
            check_page(sum(1 for _ in islice(found, MOST + 1)))
        return parse(extractor, document, *args, **options)

    return parse_bounded
