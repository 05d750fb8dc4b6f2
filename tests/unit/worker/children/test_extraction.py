from typing import Any

import orjson

from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.identity import TrustedFacts
from vidferry_worker.children.protocol import VideoFound

EVENT: dict[str, Any] = {
    "event": "found",
    "identity": {
        "extractor": "generic", "domain": "example.com", "video_id": "https://example.com/a", "by_url": True,
    },
    "title": "A title",
    "duration": 6.0,
    "source": "https://example.com/a",
    "streams": [{"bit_rate": 5, "bytes": None}],
}  # fmt: skip
KNOWN = TrustedFacts("https://example.com/a", frozenset(), frozenset())


def found(**changes: Any) -> VideoFound:
    told = parse_event(EVENT | changes)
    assert isinstance(told, VideoFound)
    return told


def test_a_find_is_read() -> None:
    extraction = Extraction.from_event(found(), KNOWN)

    assert extraction.identity.video_id == "https://example.com/a"
    assert (extraction.title, extraction.duration, len(extraction.streams)) == ("A title", 6.0, 1)
    assert Extraction.from_event(found(duration=None), KNOWN).duration is None


def test_half_a_character_in_a_title_costs_no_video() -> None:
    """Sites that cut titles in UTF-16 send lone surrogates, and no message could carry one."""
    extraction = Extraction.from_event(found(title="sunset \ud83c"), KNOWN)

    assert extraction.title.startswith("sunset ")
    assert orjson.dumps(extraction.title)
