import pytest

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.hls.tags import MAX_LINE_LENGTH, MAX_LINES, parse_attributes, split_lines


@pytest.mark.parametrize("playlist", ["a\n" * (MAX_LINES + 1), "a" * (MAX_LINE_LENGTH + 1)], ids=["lines", "length"])
def test_a_list_of_too_much_is_refused(playlist: str) -> None:
    with pytest.raises(JobFailure):
        split_lines(playlist)


def test_attributes_may_hold_commas_and_be_empty() -> None:
    assert parse_attributes('#EXT-X-MEDIA:A="b,C=d",E="",F=g h, I=j') == {"A": "b,C=d", "E": "", "F": "g h", "I": "j"}
