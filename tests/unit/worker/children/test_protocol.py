"""What the child makes of its classes, the worker reads the same."""

import json

import pytest

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.probes import (
    ListEntry,
    Probe,
    ProbeChapter,
    ProbeChoice,
    ProbeFormat,
    ProbeSubtitles,
)
from vidferry_worker.children.event_parser import parse_event
from vidferry_worker.children.protocol import (
    ConnectRequest,
    Converting,
    Done,
    DownloadOrder,
    Event,
    EvidenceFound,
    EvidenceOrder,
    Extractors,
    Failed,
    FileDescription,
    FoundIdentity,
    FoundStream,
    GoOrder,
    Growing,
    ListedEntry,
    LogLine,
    LookOrder,
    LookPurpose,
    Order,
    Probed,
    Progress,
    StopOrder,
    Thumbnail,
    VideoFound,
    VideosListed,
    Waiting,
    parse_order,
    to_message,
)

FILE = FileDescription("media.mp4", "mov", "isom", ["aac", "h264"], video=True, duration=6.0)
EVIDENCE = [{"url": "a", "etag": '"1"'}, {}]
IDENTITY = FoundIdentity("generic", "example.com", "https://example.com/a", by_url=True)
FORMAT = ProbeFormat(
    "137", "mp4", True, False, 1920, 1080, 29.97, "avc1.640028", None, 4_400_000, 10**8, False, None, "SDR"
)
CHOICE = ProbeChoice(["137", "140"], "mp4", 1920, 1080, 29.97, "avc1.640028", "mp4a.40.2", "SDR", 10**8, True)
PROBE = Probe(
    "A walk", "Jo", "2026-01-31", 600.5, False, 0, "https://example.com/a.jpg", [FORMAT],
    [ProbeSubtitles("en", "English", False, ["vtt"])], [ProbeChapter("Start", 0, 93.5), ProbeChapter(None, 93.5, None)],
    [ListEntry(1, "https://example.com/b", "B", None), ListEntry(2, None, None, 3)], 2, False, CHOICE, True,
)  # fmt: skip
EVENTS: list[Event] = [
    ConnectRequest(7, "example.com", 443, 20.0),
    Extractors(["youtube", "youtubetab"]),
    LogLine("[generic] Extracting URL"),
    VideoFound(
        IDENTITY,
        "A title",
        6.0,
        "https://example.com/a",
        [FoundStream(700.5, 10**6), FoundStream()],
        3,
        ["https://example.com/b"],
        title_from_url=True,
    ),
    EvidenceFound(EVIDENCE),
    EvidenceFound(None),
    Thumbnail("media.jpg"),
    Progress(1, finished=True, downloaded=10, total=20, estimate=30.5, fragment=1.5, fragments=3),
    Progress(0),
    Growing("media.mp4.part", 10**7, FILE, EVIDENCE),
    Converting(10**6, None),
    Waiting(2.5, asked=True),
    Done(FILE, None),
    Failed(ErrorCode.LIVE, "it is live", 20.0),
    Failed(ErrorCode.PLAYLIST, "a list", entries=1000),
    Failed(
        ErrorCode.FORMAT_UNAVAILABLE,
        "no",
        None,
        None,
        [1080, 360],
        ["mp4"],
        has_audio=True,
        yt_dlp_version="2026.1.2.3.dev0",
        final=True,
    ),
    Probed(PROBE),
    VideosListed([ListedEntry("https://example.com/b", "B", 3.5), ListedEntry("", "", None)], "A list", done=True),
]
ORDERS: list[Order] = [
    DownloadOrder("https://example.com/a", "1080-any", 3600, 10**9, 30),
    LookOrder(LookPurpose.PROBE, "https://example.com/a", "1080-any", 30),
    LookOrder(LookPurpose.LIST, "https://example.com/a", "1080-any", 30, "1-50,60", 20, newest_first=True),
    EvidenceOrder(),
    GoOrder(6, growing=True),
    StopOrder(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_what_a_child_says_is_heard(event: Event) -> None:
    assert parse_event(json.loads(json.dumps(to_message(event)))) == event


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_what_a_worker_orders_is_understood(order: Order) -> None:
    assert parse_order(json.loads(json.dumps(order.to_message()))) == order
