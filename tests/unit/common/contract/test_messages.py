import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from vidferry_common.contract.errors import ErrorCode
from vidferry_common.contract.messages import (
    JOB_MARK,
    ROOT_MARK,
    Cursor,
    Update,
    format_timestamp,
    job_link,
    public_link,
    queued_update,
)
from vidferry_common.contract.stages import DOWNLOAD_QUARTERS, NEW_VIDEO, STORED_VIDEO, Stage, Status

TITLES = [
    "\x01\x02",
    "\x00\x07\x1b[31m\x7f\x85",
    'She said "it\'s" \\ \\u0001 \\x02',
    "مقطع 🌅 👩‍👩‍👧 彩色",
    '","status":"completed","x":"',
    "\u2028\u2029\ufeff",
]


def update(**changes: Any) -> Update:
    return Update(Status.PROCESSING, Stage.DOWNLOADING, 42.5, "Downloading video", 1, **changes)


def members(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"{" + body + b"}")
    return found


def test_a_body_tells_what_is_known_and_null_for_the_rest() -> None:
    told = members(update(downloaded_bytes=2**60 + 1, speed=12.345).body())

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("timestamp"))
    assert told == {
        "status": "processing",
        "stage": "downloading",
        "progress": 42.5,
        "message": "Downloading video",
        "attempt": 1,
        "downloaded_bytes": 2**60 + 1,
        "total_bytes": None,
        "speed": 12.3,
        "eta": None,
        "title": None,
        "thumbnail": None,
        "retries": 0,
        "max_retries": None,
        "retry_at": None,
    }


@pytest.mark.parametrize("title", TITLES)
def test_no_title_forges_a_mark_or_leaves_its_string(title: str) -> None:
    body = update(title=title, has_thumbnail=True).body()

    assert body.count(ROOT_MARK.encode()) == body.count(JOB_MARK.encode()) == 1  # those of the picture's link
    assert not re.search(rb"[\x00-\x1f]", body.replace(b"\x01", b"").replace(b"\x02", b""))
    told = members(body.replace(b"\x01", b"https://h").replace(b"\x02", b"j1"))
    assert told["title"] == title
    assert told["status"] == "processing"
    assert told["thumbnail"] == "https://h/api/jobs/j1/thumbnail"


def test_links_inside_a_result_are_marked() -> None:
    link = public_link("/files/a%20b?signature=s&name=%22")
    body = update(result={"url": link, "file_url": job_link("file"), "far": public_link("https://x/y")}).body()

    result = members(body.replace(b"\x01", b"http://h:1/p").replace(b"\x02", b"j1"))["result"]
    assert result == {
        "url": "http://h:1/p/files/a%20b?signature=s&name=%22",
        "file_url": "http://h:1/p/api/jobs/j1/file",
        "far": "https://x/y",
    }


def test_a_failure_carries_code_and_sentence_and_no_speed() -> None:
    told = members(update(speed=5.0, eta=3.0, title="T").as_failed(ErrorCode.GEO_BLOCKED).body())

    assert (told["status"], told["stage"], told["progress"], told["title"]) == ("failed", "failed", 42.5, "T")
    assert (told["speed"], told["eta"]) == (None, None)
    assert told["error"] == {
        "code": "geo_blocked",
        "message": ErrorCode.GEO_BLOCKED.sentence,
        "retryable": False,
        "site": None,
        "yt_dlp_version": None,
    }
    assert told["message"] == ErrorCode.GEO_BLOCKED.sentence


def test_a_queued_download_waits_at_zero() -> None:
    told = members(queued_update().body())

    assert (told["status"], told["stage"], told["progress"], told["attempt"]) == ("queued", "queued", 0, 0)


def test_the_steps_are_the_promised_ones() -> None:
    assert [(step.progress, step.stage.value) for step in NEW_VIDEO] == [
        (5, "started"), (10, "info"), (20, "downloading"), (35, "downloading"), (50, "downloading"),
        (65, "downloading"), (80, "downloading"), (85, "merging"), (90, "downloaded"), (92, "uploading"),
        (98, "uploading"), (100, "done"),
    ]  # fmt: skip
    assert [(step.progress, step.stage.value) for step in STORED_VIDEO] == [
        (5, "started"), (10, "info"), (30, "filename"), (50, "link"), (70, "metadata"), (90, "response"), (100, "done"),
    ]  # fmt: skip
    assert len(DOWNLOAD_QUARTERS) == 4


def test_only_the_three_ends_are_terminal() -> None:
    assert {status for status in Status if status.terminal} == {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


def test_times_are_rfc_3339_in_utc() -> None:
    assert format_timestamp(datetime(2026, 11, 23, 10, 0, 0, 123_456, UTC)) == "2026-11-23T10:00:00.123Z"
    assert format_timestamp(datetime(2026, 11, 23, 10, tzinfo=UTC)) == "2026-11-23T10:00:00.000Z"


def test_a_cursor_is_read_back() -> None:
    assert Cursor.parse("00c0ffee-17") == Cursor("00c0ffee", 17)
    assert str(Cursor("00c0ffee", 17)) == "00c0ffee-17"


@pytest.mark.parametrize(
    "text",
    [
        "", "17", "00c0ffee", "00c0ffee-", "-17", "00C0FFEE-17", "00c0ffe-17", "00c0ffee0-17", "00c0ffee--1",
        "00c0ffee-1.5", "00c0ffee-17\n", " 00c0ffee-17", "00c0ffee-1234567890123456", "00c0ffee-0x1", "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert Cursor.parse(text) is None


def test_digits_of_other_scripts_are_no_cursor() -> None:
    parsed = Cursor.parse("00c0ffee-١٧")

    assert parsed is None or parsed.seq == 17  # either is harmless; an exception would not be
