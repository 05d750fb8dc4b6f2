"""Which formats of a presentation are whole."""

from types import SimpleNamespace
from typing import Any

import pytest

from vidferry_worker.child.dash.period_merging import merge_periods, without_unfit
from vidferry_worker.child.dash.segments import Segments
from vidferry_worker.child.dash.timeline import SegmentRun, Timeline

PERIOD = SimpleNamespace(seconds=2.0, start=0.0)


def of(name: str, begin: float = 0, *, initialization: str = "i", problem: str = "", **facts: Any) -> dict[str, Any]:
    """A format of one period: two seconds of picture, unless facts say otherwise."""
    timeline = Timeline([SegmentRun(1, begin, 1, 2)])
    segments = Segments(
        "https://a.example/", ({"path": initialization},), timeline, lambda _, run: {"path": f"{run.time}"}
    )
    track = SimpleNamespace(problem=problem, segments=segments, period=PERIOD)
    facts = {"vcodec": "avc1", "acodec": "none", "container": "mp4_dash", "url": "m", "width": 320, "tbr": 300, **facts}
    return {"format_id": name, "dash_track": track, **facts}


def joined(*periods: list[dict[str, Any]]) -> dict[str, str]:
    """Why formats are unfit, by their ids; empty where they aren't."""
    return {
        each["format_id"]: each.get("unfit", "") for each in merge_periods({"formats": period} for period in periods)
    }


def test_one_period_is_whole() -> None:
    assert joined([of("a"), of("b", problem="")]) == {"a": "", "b": ""}


def test_what_is_there_from_the_first_to_the_last_is_whole() -> None:
    assert joined([of("a"), of("b", width=640)], [of("c", 2, width=640), of("d", 2)]) == {"a": "", "b": ""}


def test_the_same_name_goes_on_before_a_like_bit_rate() -> None:
    (found,) = merge_periods([{"formats": [of("a")]}, {"formats": [of("b", 2), of("a", 2, tbr=310)]}])

    assert found["fragments"][-1]["url"] == "https://a.example/3"
    assert [each["url"].removeprefix("https://a.example/") for each in found["fragments"]] == ["i", "0", "1", "2", "3"]


def test_a_part_is_left_out_where_there_is_a_whole_and_kept_as_unfit_where_there_is_none() -> None:
    sound: dict[str, Any] = {"vcodec": "none", "acodec": "mp4a"}

    assert joined([of("a"), of("b", width=640)], [of("a", 2)]) == {"a": ""}
    assert joined([of("b", width=640), of("s", **sound)], [of("s", 2, **sound)]) == {
        "s": "",
        "b": "it is not there in all periods",
    }
    assert joined([of("b")], [of("c", width=640)]).keys() == {"b", "c"}
    assert joined([of("a"), of("b", problem="it is odd")]) == {"a": ""}
    assert joined([of("b", problem="it is odd")]) == {"b": "it is odd"}


def test_what_others_have_makes_up_for_what_is_unfit() -> None:
    both: dict[str, Any] = {"vcodec": "avc1", "acodec": "mp4a"}
    picture: dict[str, Any] = {"vcodec": "avc1", "acodec": "none", "unfit": "it is odd"}
    untold = {"unfit": "it is odd"}

    assert without_unfit([both, picture, untold]) == [both]
    assert without_unfit([{**both, "has_drm": True}, picture]) == [{**both, "has_drm": True}, picture]
    assert without_unfit([picture, untold]) == [picture, untold]


def test_periods_without_tracks_do_not_count() -> None:
    assert joined([], [of("a")], []) == {"a": ""}
    assert joined() == {}


def test_what_cannot_be_looked_at_is_unfit() -> None:
    webm: dict[str, Any] = {"container": "webm_dash"}

    assert joined([of("a", **webm)], [of("a", 0, **webm)]) == {"a": "each period has a beginning of its own"}
    assert joined([of("a", **webm)], [of("a", 2, **webm)]) == {"a": ""}
    assert joined([of("a", **webm)], [of("a", 2, initialization="other", **webm)])["a"]


def test_periods_of_too_many_segments_together_are_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidferry_worker.child.dash.segments.MAX_SEGMENTS", 9)

    assert joined(*([of("a", 2 * number)] for number in range(4))) == {"a": ""}
    assert joined(*([of("a", 2 * number)] for number in range(5))) == {"a": "11 fragments"}


def test_many_periods_of_tracks_that_nothing_joins_are_looked_through_once() -> None:
    periods = [[of(f"{number}-{place}", width=number) for place in range(20)] for number in range(500)]

    assert len(joined(*periods)) == 10_000
    assert len(joined(*([of("a", 2 * number)] for number in range(10_000)))) == 1
