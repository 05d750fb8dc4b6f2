"""Attempts by the version of yt-dlp that they ran: two versions, whatever a worker has run in its life."""

from vidferry_common.contract.errors import ErrorCode
from vidferry_worker.metrics import AttemptCounts


def test_attempts_are_told_by_version_and_outcome() -> None:
    counts = AttemptCounts()
    for failed in (None, None, ErrorCode.EXTRACTOR_OUTDATED, ErrorCode.PRIVATE):
        counts.add("1.0", failed)

    assert counts.read() == {("1.0", "worked"): 2, ("1.0", "blamed"): 1, ("1.0", "excused"): 1}


def test_the_last_two_versions_are_told() -> None:
    counts = AttemptCounts()
    for version in ("1.0", "2.0", "1.0", "3.0", "2.0"):
        counts.add(version, None)

    assert {labels: value for labels, value in counts.read().items() if value} == {
        ("2.0", "worked"): 2, ("3.0", "worked"): 1,
    }  # fmt: skip
