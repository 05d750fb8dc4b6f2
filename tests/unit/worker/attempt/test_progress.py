import math
from collections.abc import Iterable
from typing import Any

import pytest

from vidferry_worker.attempt.progress import DownloadProgress, UploadProgress
from vidferry_worker.attempt.stall import RateCheck
from vidferry_worker.children.protocol import FoundStream, Progress

EXTREME = [2**53 - 1, 2.0**52, 5e-324, 0.5, 0, 0.0, None]
FIELDS = ("downloaded", "total", "estimate", "fragment", "fragments")


def one(**facts: Any) -> DownloadProgress:
    return DownloadProgress([FoundStream(**facts)])


def see(transfer: DownloadProgress, *events: dict[str, Any], start: float = 0.0, apart: float = 1.0) -> list[float]:
    shown = []
    for number, event in enumerate(events):
        transfer.update(Progress(**{"stream": 0, **event}), start + apart * number)
        shown.append(transfer.fraction)
    return shown


def rises(values: Iterable[float]) -> bool:
    values = list(values)
    return values == sorted(values)


def test_bytes_of_a_known_length() -> None:
    transfer = one()
    shown = see(transfer, *({"downloaded": done, "total": 1000} for done in (0, 250, 500, 999)))

    assert shown == [0, 0.25, 0.5, 0.99]
    assert transfer.progress == pytest.approx(20 + 60 * 0.99)
    assert (transfer.downloaded, transfer.total) == (999, 1000)


def test_a_file_that_begins_anew_counts_its_bytes_anew_and_leaves_the_bar_where_it_was() -> None:
    transfer = one()
    shown = see(transfer, {"downloaded": 800, "total": 1000}, {"downloaded": 10, "total": 500}, {"downloaded": 110})

    assert shown == [0.8, 0.8, 0.8]
    assert (transfer.downloaded, transfer.total, transfer.speed(2)) == (110, 500, 100)
    see(transfer, {"downloaded": 500, "finished": True})
    assert (transfer.downloaded, transfer.total, transfer.is_complete) == (500, 500, True)


def test_quarters_and_the_last_only_after_the_last_byte() -> None:
    transfer, told = one(), []
    for done in (0, 249, 250, 499, 500, 750, 1000):
        see(transfer, {"downloaded": done, "total": 1000})
        told.append(transfer.quarters)
    assert told == [0, 0, 1, 1, 2, 3, 3]
    assert not transfer.is_complete

    see(transfer, {"downloaded": 1000, "total": 1000, "finished": True})
    assert (transfer.quarters, transfer.is_complete, transfer.fraction) == (4, True, 1)


def test_the_last_quarter_waits_for_every_stream() -> None:
    transfer = DownloadProgress([FoundStream(bytes=900), FoundStream(bytes=100)])
    see(transfer, {"stream": 0, "downloaded": 900, "total": 900, "finished": True})
    assert (transfer.quarters, transfer.fraction) == (3, 0.9)
    see(transfer, {"stream": 1, "downloaded": 100, "total": 100, "finished": True})
    assert transfer.quarters == 4


@pytest.mark.parametrize(
    ("streams", "share"),
    [
        ([{"bytes": 300, "bit_rate": 1}, {"bytes": 100, "bit_rate": 9}], 0.75),
        ([{"bytes": None, "bit_rate": 1500.0}, {"bytes": 900, "bit_rate": 500}], 0.25),
        ([{"bytes": 10, "bit_rate": 1500.0}, {"bytes": None, "bit_rate": 500}], 0.75),
        ([{"bit_rate": 0}, {"bit_rate": 128}], 0.5),
        ([{}, {}], 0.5),
    ],
)
def test_streams_weigh_by_size_or_else_bit_rate_or_else_alike(streams: list[dict[str, Any]], share: float) -> None:
    transfer = DownloadProgress([FoundStream(**each) for each in streams])
    see(transfer, {"stream": 0, "downloaded": 300, "total": 300, "finished": True})

    assert transfer.fraction == pytest.approx(share)


def test_a_second_stream_never_takes_back_what_the_first_showed() -> None:
    transfer = DownloadProgress([FoundStream(), FoundStream()])
    events = [{"stream": stream, "downloaded": done, "total": 100} for stream in (0, 1) for done in range(0, 101, 10)]

    assert rises(see(transfer, *events))


def test_fragments_count_where_there_are_some() -> None:
    transfer = one()
    shown = see(
        transfer,
        *({"downloaded": 9 * part, "estimate": 10**9, "fragment": part, "fragments": 6} for part in range(7)),
    )
    assert shown == pytest.approx([*(part / 6 for part in range(6)), 0.99])


def test_a_fragment_counts_while_it_comes() -> None:
    transfer = one()
    shown = see(transfer, *({"downloaded": 9, "fragment": part, "fragments": 4} for part in (0.5, 1.25, 3)))
    assert shown == [0.125, 0.3125, 0.75]


def test_more_fragments_than_all_are_not_the_end() -> None:
    transfer = one()
    assert see(transfer, {"downloaded": 9, "fragment": 9, "fragments": 6}) == [0.99]
    assert (transfer.quarters, transfer.is_complete) == (3, False)


def test_a_body_longer_than_it_said_is_one_without_a_length() -> None:
    transfer = one()
    shown = see(transfer, *({"downloaded": done, "total": 100} for done in (0, 50, 200, 300)))
    assert shown == [0, 0.5, 0.5, 0.5]
    assert (transfer.total, transfer.eta(3)) == (None, None)

    see(transfer, {"downloaded": 400, "finished": True}, start=4)
    assert (transfer.fraction, transfer.total) == (1, 400)


def test_a_length_that_extraction_told_wrong_gives_way_to_the_bodys() -> None:
    transfer = one(bytes=50)
    shown = see(transfer, *({"downloaded": done, "total": 1000} for done in (40, 500)))
    assert (shown, transfer.total) == ([0.04, 0.5], 1000)


def test_a_length_that_only_extraction_told() -> None:
    transfer = one(bytes=1000)
    assert see(transfer, {"downloaded": 400}) == [0.4]
    assert see(transfer, {"downloaded": 1200}) == [0.4]
    assert transfer.total is None


def test_an_estimate_that_jumps_takes_nothing_back() -> None:
    transfer = one()
    estimates = (100, 100_000, 50, 10**9, 1)
    shown = see(
        transfer,
        *(
            {"downloaded": 10 * number, "estimate": guess, "fragment": number, "fragments": 5}
            for number, guess in enumerate(estimates)
        ),
    )
    assert rises(shown)
    assert shown[-1] == pytest.approx(0.8)
    total = transfer.total
    assert total is not None
    assert total >= transfer.downloaded


def test_a_total_that_jumps_takes_nothing_back() -> None:
    shown = see(one(), *({"downloaded": 50, "total": total} for total in (100, 1000, 60, 5000)))

    assert rises(shown)


def test_without_a_length_it_holds_while_bytes_move() -> None:
    transfer = one()
    shown = see(transfer, *({"downloaded": done} for done in (10, 20, 30)))
    assert shown == [0, 0, 0]
    assert (transfer.downloaded, transfer.total, transfer.quarters) == (30, None, 0)

    see(transfer, {"downloaded": 40, "finished": True})
    assert (transfer.fraction, transfer.total, transfer.quarters) == (1, 40, 4)


def test_bytes_that_go_back_are_not_shown() -> None:
    """A stream that is tried again begins at its first byte."""
    transfer = one()
    shown = see(transfer, *({"downloaded": done, "total": 100} for done in (80, 0, 40, 90)))

    assert shown == [0.8, 0.8, 0.8, 0.9]
    assert transfer.downloaded == 90


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", EXTREME)
def test_extreme_figures_break_nothing(field: str, value: Any) -> None:
    transfer = DownloadProgress([FoundStream(value, 500), FoundStream(3, value)])
    shown = []
    for number, done in enumerate((10, 20, 100)):
        transfer.update(Progress(**{"stream": 0, "downloaded": done, "total": 100, field: value}), number)
        shown.append(transfer.progress)
        assert 0 <= transfer.fraction <= 1
        assert 0 <= transfer.quarters <= 4
        assert transfer.downloaded >= 0
        for figure in (transfer.total, transfer.speed(number + 1), transfer.eta(number + 1)):
            assert figure is None or (figure >= 0 and math.isfinite(figure))
    assert rises(shown)


def test_progress_of_no_stream_is_ignored() -> None:
    transfer = DownloadProgress([FoundStream(), FoundStream()])
    transfer.update(Progress(2, finished=True, downloaded=50, total=50), 0)

    assert (transfer.fraction, transfer.downloaded, transfer.speed(9)) == (0, 0, None)


def test_speed_is_of_the_last_seconds() -> None:
    transfer = one()
    assert transfer.speed(0) is None
    see(transfer, *({"downloaded": 1000 * second, "total": 10**6} for second in range(5)))
    assert transfer.speed(4) == pytest.approx(1000)
    see(transfer, *({"downloaded": 4000 + 9000 * second, "total": 10**6} for second in range(1, 5)), start=5)
    assert transfer.speed(8) == pytest.approx(9000)


def test_a_stall_slows_it_down() -> None:
    transfer = one()
    see(transfer, {"downloaded": 0}, {"downloaded": 3000})
    early, late = transfer.speed(2), transfer.speed(30)

    assert early is not None
    assert late is not None
    assert late < early


def test_the_time_left() -> None:
    transfer = one()
    assert transfer.eta(0) is None
    see(transfer, *({"downloaded": 1000 * second, "total": 10_000} for second in range(3)))
    assert transfer.eta(2) == pytest.approx(8)
    see(transfer, {"downloaded": 10_000, "total": 10_000, "finished": True}, start=3)
    assert transfer.eta(3) == 0


def test_the_time_left_by_fragments_where_no_size_is_known() -> None:
    transfer = one()
    see(transfer, *({"downloaded": 9 * part, "fragment": part, "fragments": 10} for part in range(3)))

    assert transfer.eta(2) == pytest.approx(8)


def test_what_stands_still_has_no_time_left_to_tell() -> None:
    transfer = one()
    see(transfer, *({"downloaded": 1000 * second, "total": 10_000} for second in range(3)))

    assert (transfer.speed(60), transfer.eta(60)) == (0, None)


def test_what_was_sent_before_makes_an_upload_no_quicker() -> None:
    sending = UploadProgress(1000, 900, now=10)
    assert (sending.speed(900, 11), sending.eta(900, 11)) == (None, None)
    assert (sending.speed(950, 12), sending.eta(950, 12)) == (25, 2)


def test_a_download_that_trickles_is_too_slow() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)

    assert [pace.is_too_slow(downloaded, now) for downloaded, now in ((0, 9.9), (1000, 10), (1999, 19.9))] == [
        False
    ] * 3
    assert pace.is_too_slow(1999, 20)
    assert not pace.is_too_slow(3000, 30), "what came late counts where it came"


def test_what_comes_after_a_body_was_begun_anew_counts() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)

    assert not pace.is_too_slow(5000, 10)
    assert not pace.is_too_slow(1000, 20)


def test_a_wait_makes_no_download_too_slow_but_waits_without_end_do() -> None:
    pace = RateCheck(rate=100, seconds=10, now=0)
    pace.exclude_wait(4)

    assert not pace.is_too_slow(0, 13)
    assert not pace.is_too_slow(1000, 14)
    for _ in range(100):
        pace.exclude_wait(5)
    assert not pace.is_too_slow(1000, 33)
    assert pace.is_too_slow(1000, 34)


def test_any_pace_may_be_allowed() -> None:
    assert not RateCheck(rate=0, seconds=10, now=0).is_too_slow(0, 100)
