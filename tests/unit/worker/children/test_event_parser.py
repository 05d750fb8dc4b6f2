"""What of a child's messages is an event."""

import math
from typing import Any

import pytest

from unit.worker.children.test_protocol import EVENTS
from vidferry_worker.children.event_members import InvalidEventError
from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.protocol import (
    ConnectRequest,
    Converting,
    Done,
    Event,
    EvidenceFound,
    Extractors,
    Failed,
    Growing,
    LogLine,
    Progress,
    Thumbnail,
    VideoFound,
    VideosListed,
    Waiting,
    number_or_none,
    to_message,
)

ABSENT = "(absent)"
NO_FIGURE = [math.nan, math.inf, -math.inf, -1, -0.5, 2**53, 10**400, "7", "", [], {}, [1], True]


def message(kind: type[Event], changes: dict[str, Any]) -> dict[str, Any]:
    told = to_message(next(event for event in EVENTS if isinstance(event, kind))) | changes
    return {name: value for name, value in told.items() if value != ABSENT}


def identity(**changes: Any) -> dict[str, Any]:
    return to_message(EVENTS[3])["identity"] | changes  # type: ignore[no-any-return]


def listed(**changes: Any) -> dict[str, Any]:
    return {"url": "https://example.com/b", "title": "B", "duration": None} | changes


@pytest.mark.parametrize("value", NO_FIGURE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (Progress, "stream"), (Progress, "downloaded"), (Progress, "total"), (Progress, "estimate"),
        (Progress, "fragment"), (Progress, "fragments"), (Converting, "written"), (Converting, "expected"),
        (Waiting, "seconds"), (VideoFound, "duration"), (Done, "duration"), (Growing, "total"), (Failed, "retry_after"),
        (ConnectRequest, "id"), (ConnectRequest, "port"), (ConnectRequest, "timeout"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)  # fmt: skip
def test_what_is_no_figure_is_no_event(kind: type[Event], field: str, value: Any) -> None:
    assert number_or_none(value) is None
    with pytest.raises(InvalidEventError):
        parse_event(message(kind, {field: value}))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (VideoFound, {"identity": ABSENT}), (VideoFound, {"identity": "x"}),
        (VideoFound, {"identity": identity(more=1)}), (VideoFound, {"identity": identity(video_id=None)}),
        (VideoFound, {"identity": identity(extractor="x" * 201)}),
        (VideoFound, {"identity": identity(video_id="x" * 16_001)}),
        (VideoFound, {"identity": identity(domain=["a"])}),
        (VideoFound, {"identity": identity(by_url="perhaps")}), (VideoFound, {"title": None}),
        (VideoFound, {"title": "x" * 501}), (VideoFound, {"title": {"a": 1}}), (VideoFound, {"source": "x" * 2001}),
        (VideoFound, {"source": ABSENT}), (VideoFound, {"streams": []}), (VideoFound, {"streams": [{}] * 9}),
        (VideoFound, {"streams": ["x"]}), (VideoFound, {"streams": None}), (VideoFound, {"streams": [{"bytes": -3}]}),
        (VideoFound, {"streams": [{"bit_rate": "fast"}]}),
        (Progress, {"stream": 8}), (Progress, {"stream": 0.0}), (Progress, {"stream": None}),
        (Progress, {"finished": 1}), (Progress, {"finished": None}),
        (Growing, {"part": None}), (Growing, {"part": 5}), (Growing, {"part": "x" * 256}), (Growing, {"total": 2.5}),
        (Growing, {"total": None}), (Growing, {"evidence": "x"}), (Growing, {"video": "yes"}),
        (Done, {"file": ABSENT}), (Done, {"codecs": "h264"}), (Done, {"codecs": ["x"] * 17}), (Done, {"codecs": [1]}),
        (Done, {"brand": None}), (Done, {"brand": "isom5"}), (Done, {"container": "x" * 41}),
        (Done, {"evidence": [{}] * 9}), (Done, {"evidence": [{"a": 1}]}), (Done, {"evidence": [{"a": "x" * 201}]}),
        (Done, {"evidence": [{"x" * 21: "a"}]}), (Done, {"evidence": [dict.fromkeys("abcdefg", "x")]}),
        (Done, {"evidence": ["x"]}), (EvidenceFound, {"evidence": {}}),
        (Converting, {"written": ABSENT}), (Waiting, {"asked": "yes"}), (Waiting, {"seconds": None}),
        (Thumbnail, {"file": "x" * 256}), (Thumbnail, {"file": None}), (LogLine, {"text": "x" * 2001}),
        (LogLine, {"text": None}), (Extractors, {"extractors": "youtube"}), (Extractors, {"extractors": ["x"] * 257}),
        (Extractors, {"extractors": [1]}), (Extractors, {"extractors": ["x" * 201]}),
        (ConnectRequest, {"host": None}), (ConnectRequest, {"host": [1]}), (ConnectRequest, {"host": "x" * 2001}),
        (ConnectRequest, {"port": "http"}), (ConnectRequest, {"port": None}), (ConnectRequest, {"id": ABSENT}),
        (ConnectRequest, {"timeout": "soon"}), (ConnectRequest, {"timeout": None}),
        (Failed, {"code": "unheard_of"}), (Failed, {"code": None}), (Failed, {"detail": "x" * 2001}),
        (Failed, {"detail": None}), (Failed, {"entries": 2.5}), (Failed, {"entries": 10**7}),
        (Failed, {"lines": [1] * 33}), (Failed, {"lines": [2.5]}), (Failed, {"lines": [100_001]}),
        (Failed, {"containers": ["mp4"] * 33}), (Failed, {"containers": ["<b>"]}), (Failed, {"containers": ["x" * 9]}),
        (Failed, {"has_audio": 1}), (Failed, {"yt_dlp_version": "1 <b>"}), (Failed, {"yt_dlp_version": "1" * 41}),
        (VideoFound, {"videos": -1}), (VideoFound, {"other_urls": ["x"] * 21}), (VideoFound, {"other_urls": [1]}),
        (VideoFound, {"other_urls": ["x" * 2049]}),
        (VideosListed, {"entries": None}), (VideosListed, {"entries": [{}]}), (VideosListed, {"entries": ["x"]}),
        (VideosListed, {"entries": [listed()] * 51}), (VideosListed, {"entries": [listed(url="x" * 4097)]}),
        (VideosListed, {"entries": [listed(title="x" * 501)]}), (VideosListed, {"entries": [listed(duration=-1)]}),
        (VideosListed, {"entries": [listed(url=None)]}), (VideosListed, {"title": "x" * 501}),
        (VideosListed, {"done": 1}),
        (Progress, {"event": "outcome"}), (Progress, {"event": ABSENT}), (Progress, {"event": []}),
    ],
    ids=lambda value: f"{value}"[:40] if isinstance(value, dict) else value.__name__,
)  # fmt: skip
def test_what_is_ill_formed_is_no_event(kind: type[Event], changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError):
        parse_event(message(kind, changes))


def test_what_no_event_names_is_not_kept() -> None:
    assert parse_event({"event": "progress", "stream": 0, "text": "x" * 60_000}) == Progress(0)
