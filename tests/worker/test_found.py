import math
from typing import Any

import orjson
import pytest

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.found import Found

EVENT: dict[str, Any] = {
    "event": "found",
    "identity": {
        "extractor": "generic", "domain": "example.com", "video_id": "https://example.com/a", "by_address": True,
    },
    "evidence": [{"etag": '"1"', "content-length": "5"}],
    "title": "A title",
    "duration": 6.0,
    "source": "https://example.com/a",
    "streams": [{"bit_rate": 5, "bytes": None, "exact": False}],
}  # fmt: skip
ABSENT = "(absent)"


def event(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (EVENT | changes).items() if value != ABSENT}


def identity(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = EVENT["identity"] | changes
    return found


def test_a_find_is_read() -> None:
    found = Found.read(EVENT)

    assert found.identity.video_id == "https://example.com/a"
    assert (found.title, found.duration, len(found.streams)) == ("A title", 6.0, 1)
    assert Found.read(event(duration=None, evidence=None)).evidence is None


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": ABSENT}, {"identity": "x"}, {"identity": identity(more=1)}, {"identity": identity(video_id=None)},
        {"identity": identity(extractor="x" * 201)}, {"identity": identity(video_id="x" * 4001)},
        {"identity": identity(domain=["a"])}, {"identity": identity(by_address="perhaps")},
        {"evidence": "etag"}, {"evidence": [{}] * 9}, {"evidence": [{"etag": 5}]}, {"evidence": [["etag", "1"]]},
        {"title": None}, {"title": "x" * 501}, {"title": {"a": 1}}, {"duration": -1}, {"duration": "long"},
        {"duration": math.nan}, {"duration": math.inf},
        {"source": "x" * 2001}, {"source": ABSENT}, {"streams": []}, {"streams": [{}] * 9}, {"streams": ["x"]},
        {"streams": None},
    ],
    ids=lambda changes: f"{changes}"[:40],
)  # fmt: skip
def test_an_ill_formed_find_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(JobFailure) as failure:
        Found.read(event(**changes))
    assert failure.value.code is ErrorCode.INTERNAL


def test_half_a_character_in_a_title_costs_no_video() -> None:
    """Sites that cut titles in UTF-16 send lone surrogates, and no message could carry one."""
    found = Found.read(event(title="sunset \ud83c"))

    assert found.title.startswith("sunset ")
    assert orjson.dumps(found.title)


BEFORE = {"etag": '"1"', "last-modified": "Mon", "content-length": "5"}


@pytest.mark.parametrize(
    ("known", "now", "same"),
    [
        ([BEFORE], [BEFORE], True),
        ([BEFORE], [BEFORE | {"etag": '"2"'}], False),
        ([BEFORE], [BEFORE | {"content-length": "6"}], False),
        ([BEFORE], [BEFORE | {"last-modified": "Tue"}], False),
        ([BEFORE], [{"etag": '"1"'}], True),
        ([BEFORE], [{"content-length": "5"}], True),
        ([{"content-length": "5"}], [{"content-length": "5"}], True),
        ([{"etag": '"1"'}], [{"content-length": "5"}], False),
        ([{}], [{}], False),
        ([{"x-other": "1"}], [{"x-other": "1"}], False),
        ([BEFORE, BEFORE], [BEFORE], False),
        ([BEFORE], [BEFORE, BEFORE], False),
        ([BEFORE, BEFORE], [BEFORE, BEFORE | {"etag": '"2"'}], False),
        ([BEFORE], None, False),
        (None, [BEFORE], False),
        ([], [], False),
    ],
)
def test_an_object_of_an_address_is_reused_only_while_the_origin_says_so(
    known: list[dict[str, str]] | None, now: list[dict[str, str]] | None, same: bool
) -> None:
    before = Found.read(event(evidence=known)).metadata("d")

    assert Found.read(event(evidence=now)).is_still(before) is same


def test_an_object_of_a_video_id_is_that_video() -> None:
    found = Found.read(event(identity=identity(extractor="youtube", by_address=False), evidence=None))

    assert found.is_still({})
    assert not Found.read(event()).is_still({})


def test_the_object_tells_what_it_is() -> None:
    assert Found.read(EVENT).metadata("d-1") == {
        "title": "A title",
        "source": "https://example.com/a",
        "download": "d-1",
        "duration": "6.0",
        "origin": '[{"etag":"\\"1\\"","content-length":"5"}]',
    }
    assert "duration" not in Found.read(event(duration=None)).metadata("d-1")
