import math
from typing import Any

import orjson
import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.identity import Known

EVENT: dict[str, Any] = {
    "event": "found",
    "identity": {
        "extractor": "generic", "domain": "example.com", "video_id": "https://example.com/a", "by_address": True,
    },
    "title": "A title",
    "duration": 6.0,
    "source": "https://example.com/a",
    "streams": [{"bit_rate": 5, "bytes": None, "exact": False}],
}  # fmt: skip
KNOWN = Known("https://example.com/a", frozenset(), frozenset())
ABSENT = "(absent)"


def event(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (EVENT | changes).items() if value != ABSENT}


def identity(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = EVENT["identity"] | changes
    return found


def test_a_find_is_read() -> None:
    found = Extraction.read(EVENT, KNOWN)

    assert found.identity.video_id == "https://example.com/a"
    assert (found.title, found.duration, len(found.streams)) == ("A title", 6.0, 1)
    assert Extraction.read(event(duration=None), KNOWN).duration is None


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": ABSENT}, {"identity": "x"}, {"identity": identity(more=1)}, {"identity": identity(video_id=None)},
        {"identity": identity(extractor="x" * 201)}, {"identity": identity(video_id="x" * 4001)},
        {"identity": identity(domain=["a"])}, {"identity": identity(by_address="perhaps")},
        {"title": None}, {"title": "x" * 501}, {"title": {"a": 1}}, {"duration": -1}, {"duration": "long"},
        {"duration": math.nan}, {"duration": math.inf},
        {"source": "x" * 2001}, {"source": ABSENT}, {"streams": []}, {"streams": [{}] * 9}, {"streams": ["x"]},
        {"streams": None},
    ],
    ids=lambda changes: f"{changes}"[:40],
)  # fmt: skip
def test_an_ill_formed_find_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(JobFailure) as failure:
        Extraction.read(event(**changes), KNOWN)
    assert failure.value.code is ErrorCode.INTERNAL


def test_half_a_character_in_a_title_costs_no_video() -> None:
    """Sites that cut titles in UTF-16 send lone surrogates, and no message could carry one."""
    found = Extraction.read(event(title="sunset \ud83c"), KNOWN)

    assert found.title.startswith("sunset ")
    assert orjson.dumps(found.title)
