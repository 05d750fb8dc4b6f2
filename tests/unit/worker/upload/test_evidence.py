import math
from typing import Any

import orjson
import pytest

from vidferry_worker.children.event_members import InvalidEventError
from vidferry_worker.children.event_parser import parse_evidence
from vidferry_worker.children.protocol import Evidence
from vidferry_worker.upload import evidence

FILE = {"url": "a", "etag": '"1"', "last-modified": "Mon", "content-length": "5"}
LIST = {"url": "a", "list": "b", "segments": "c"}


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ([FILE], [FILE], True),
        ([FILE], [{"url": "a", "etag": '"1"'}], True),
        ([FILE], [{"url": "a", "last-modified": "Mon"}], True),
        ([FILE], [{"url": "a", "content-length": "5"}], False),
        ([FILE], [FILE | {"url": "b"}], False),
        ([FILE], [FILE | {"last-modified": "Tue"}], False),
        ([FILE], [FILE | {"content-length": "6"}], False),
        ([{"url": "a", "content-length": "5"}], [{"url": "a", "content-length": "5"}], False),
        ([{"etag": '"1"'}], [{"etag": '"1"'}], False),
        ([{"url": "", "etag": '"1"'}], [{"url": "", "etag": '"1"'}], False),
        ([LIST], [LIST], True),
        ([LIST], [LIST | {"segments": "d"}], False),
        ([LIST], [LIST | {"list": "d"}], False),
        ([LIST], [FILE], False),
        ([{"url": "a", "list": "b"}], [{"url": "a", "list": "b"}], False),
        ([FILE, LIST], [FILE, LIST], True),
        ([FILE, LIST], [FILE], False),
        ([FILE], [FILE, FILE], False),
        ([FILE], None, False),
        (None, [FILE], False),
        (None, None, False),
        ([], [], False),
    ],
)
def test_what_is_the_same(before: Evidence, now: Evidence, same: bool) -> None:
    assert evidence.is_same(before, now) is same


@pytest.mark.parametrize(
    "told",
    ["etag", [FILE] * 9, [{"etag": 5}], [["etag", "1"]], [{"etag": "x" * 201}], [{"x" * 21: "1"}], 5, math.nan,
     [dict.fromkeys("abcdefg", "1")]],
    ids=lambda told: f"{told}"[:30],
)  # fmt: skip
def test_ill_formed_evidence_is_refused(told: Any) -> None:
    with pytest.raises(InvalidEventError):
        parse_evidence(told)
    assert evidence.from_metadata({"origin": orjson.dumps(told).decode()}) is None


@pytest.mark.parametrize("metadata", [{}, {"origin": ""}, {"origin": "null"}, {"origin": "[{"}])
def test_an_object_that_says_nothing_of_its_origin(metadata: dict[str, str]) -> None:
    assert evidence.from_metadata(metadata) is None
