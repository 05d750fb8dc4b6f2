import re

import pytest

from support.tree import DOCS
from vidferry_common.contract.errors import ErrorCode, Fault, JobFailure, OfferedFormats, ProblemCode
from vidferry_common.contract.result import WarningCode

DOC = DOCS / "errors.md"
FINAL = {"private", "login_required", "geo_blocked", "drm", "live", "unavailable", "unsupported_site", "too_large",
         "forbidden_address", "format_unavailable", "unsupported_stream", "certificate_invalid", "removed", "copyright",
         "not_yet_available", "password_required", "members_only", "premium_only", "captcha"}  # fmt: skip
PASSING = {"network", "origin_error", "rate_limited", "storage_unavailable", "disk_full", "out_of_memory",
           "session_limited", "bot_check", "extractor_outdated"}  # fmt: skip


def test_every_code_has_a_sentence_of_its_own_for_a_person() -> None:
    for code in ErrorCode:
        assert re.fullmatch(r"[A-Z][^_{}]+\.", code.sentence)
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert len({code.sentence for code in ErrorCode}) == len(ErrorCode)


def test_what_is_final_is_not_tried_again() -> None:
    assert not {code for code in FINAL if ErrorCode(code).retryable}
    assert all(ErrorCode(code).retryable for code in PASSING)


def test_what_a_failure_comes_from() -> None:
    """What counts against the objective of downloads is the service's alone."""
    faults = {fault: {code for code in ErrorCode if code.fault is fault} for fault in Fault}

    assert faults[Fault.SERVICE] == {
        "extractor_outdated", "storage_denied", "storage_unavailable", "disk_full", "out_of_memory",
        "resources_exceeded", "conversion_failed", "worker_lost", "timed_out", "internal",
    }  # fmt: skip
    assert faults[Fault.SITE] == {
        "refused", "captcha", "credential_refused", "certificate_invalid", "rate_limited", "session_limited",
        "bot_check", "origin_error", "network", "stalled",
    }  # fmt: skip
    assert {ErrorCode.PRIVATE, ErrorCode.PLAYLIST, ErrorCode.TOO_LARGE} <= faults[Fault.REQUEST]


def test_a_site_that_asks_for_fewer_requests_is_one_that_may_be_tried_again() -> None:
    parking = {code for code in ErrorCode if code.parks_site}

    assert parking == {ErrorCode.RATE_LIMITED, ErrorCode.SESSION_LIMITED, ErrorCode.BOT_CHECK}
    assert all(code.retryable for code in parking)
    assert all(code.retryable for code in ErrorCode if code.most_retries is not None)


@pytest.mark.parametrize(
    ("formats", "told"),
    [
        (OfferedFormats((360, 720), ("webm", "mp4"), has_audio=True), ", but as 720p, 360p, sound alone (mp4, webm). "),
        (OfferedFormats(has_audio=True), ", but as sound alone. "),
        (OfferedFormats(containers=("mp4",)), " in this format. "),
        (OfferedFormats(tuple(range(33)), tuple(f"x{one}" for one in range(32))), "25p (x0, x1, x10, x11, x12, x13). "),
    ],
)  # fmt: skip
def test_a_format_that_is_missing_is_told_with_those_that_are_there(formats: OfferedFormats, told: str) -> None:
    sentence = JobFailure(ErrorCode.FORMAT_UNAVAILABLE, formats=formats).sentence

    assert told in sentence
    assert sentence.endswith(" Choose another quality or file type.")
    assert len(sentence) < 250


def test_a_failure_keeps_its_detail_for_the_log() -> None:
    failure = JobFailure(ErrorCode.NETWORK, "reset by peer")

    assert (failure.code, str(failure), str(JobFailure(ErrorCode.DRM))) == (
        ErrorCode.NETWORK,
        "network: reset by peer",
        "drm",
    )


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (37, "a list of 37 videos."),
        (1000, "a list of 1,000 videos."),
        (1001, "a list of more than 1,000 videos."),
        (None, "a list of videos."),
    ],
)
def test_a_list_is_told_with_its_length_and_the_way_on(entries: int | None, told: str) -> None:
    sentence = JobFailure(ErrorCode.PLAYLIST, entries=entries).sentence

    assert told in sentence
    assert "POST /api/batches" in sentence


def test_the_documented_codes_are_the_codes() -> None:
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", DOC.read_text(), re.MULTILINE))

    assert rows == {code.value for codes in (ErrorCode, ProblemCode, WarningCode) for code in codes}
