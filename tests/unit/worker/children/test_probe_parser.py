"""What of a child's document is accepted. Each field of each part is given what no child of ours sends."""

import json
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest

from unit.worker.children.test_protocol import CHOICE, FORMAT, PROBE
from vidferry_common.contract.probes import MAX_BYTES, Probe
from vidferry_worker.children.event_members import InvalidEventError
from vidferry_worker.children.event_parser import parse_event

HOSTILE: list[Any] = [
    -1, 2**53, float("nan"), float("inf"), 10**400, True, "x" * 3000, {"a": 1}, [1], [[]] * 2, [{}] * 300, "file:///etc/passwd",
    "javascript:alert(1)", "https://example.com/a b", "https://example.com/\n", [None],
]  # fmt: skip
PARTS = ("formats", "subtitles", "chapters", "entries", "choice")
FLAGS = {"live", "is_list", "shortened", "video", "audio", "size_estimated", "automatic"}


def parse(document: Any) -> Probe:
    event = parse_event({"event": "probed", "probe": document})
    return event.probe  # type: ignore[union-attr]


def document(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(asdict(PROBE))), **changes}


def with_part(name: str, field: str, value: Any) -> dict[str, Any]:
    """The document with another value in one of its parts, or in itself."""
    whole = document()
    if not name:
        return {**whole, field: value}
    part = whole[name]
    (part[0] if isinstance(part, list) else part)[field] = value
    return whole


def fields() -> list[tuple[str, str]]:
    whole = document()
    found = [("", field) for field in whole if field != "batch_limit"]  # a child's word for that is not read
    for name in PARTS:
        part = whole[name][0] if isinstance(whole[name], list) else whole[name]
        found += [(name, field) for field in part]
    return found


@pytest.mark.parametrize(("part", "field"), fields())
def test_nothing_hostile_is_accepted(part: str, field: str) -> None:
    for value in HOSTILE:
        if value is True and field in FLAGS:
            continue
        try:
            found = parse(with_part(part, field, value))
        except InvalidEventError:
            continue
        # Text may say anything: it is text for people, short and in one line.
        assert isinstance(value, str)
        assert len(value) < 500
        assert "\\n" not in json.dumps(asdict(found))


def test_how_many_a_batch_takes_is_not_for_a_child_to_say() -> None:
    assert parse(with_part("", "batch_limit", 7)).batch_limit is None


@pytest.mark.parametrize("broken", [None, [], "x", {}, {"title": "only"}])
def test_a_document_needs_its_lists(broken: Any) -> None:
    with pytest.raises(InvalidEventError):
        parse(broken)


def test_the_whole_is_bounded() -> None:
    """What a child leaves out is written out as null, so a short message may hold too much."""
    parts = {"formats": {}, "subtitles": {"formats": []}, "chapters": {"start": 0}}
    short: dict[str, Any] = {"entries": [], **{name: [part] * 200 for name, part in parts.items()}}
    assert len(json.dumps(short)) < MAX_BYTES / 4
    with pytest.raises(InvalidEventError, match="bytes"):
        parse(short)


@pytest.mark.parametrize("day", ["----------", "1234567890", "20260131--", "٢٠٢٦-٠١-٣١"])
def test_a_date_is_a_date(day: str) -> None:
    with pytest.raises(InvalidEventError):
        parse(document(upload_date=day))


def test_text_is_made_safe_to_show() -> None:
    """Half a surrogate pair, control characters and marks that turn text around; orjson writes the rest."""
    found = parse(document(title="a\ud83d \x00\u202eb\nc", uploader=" \u200f "))
    assert (found.title, found.uploader) == ("a  b c", None)
    assert orjson.loads(orjson.dumps(found))["title"] == "a  b c"


def test_unknown_members_are_dropped() -> None:
    assert parse(document(more=1, formats=[{**asdict(FORMAT), "url": "https://example.com/secret"}])) == PROBE


def test_what_is_unknown_is_null() -> None:
    unknown = replace(
        FORMAT, container=None, width=None, height=None, fps=None, video_codec=None, size=None, bitrate=None
    )
    probe = replace(PROBE, formats=[unknown], choice=None, title=None, duration=None, thumbnail=None, entry_count=None)
    assert parse(asdict(probe)) == probe
    assert parse(asdict(replace(PROBE, choice=replace(CHOICE, formats=[])))).choice == replace(CHOICE, formats=[])
