import re

import pytest

from vidferry_common.contract.trace import continue_trace, trace_id

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
INVALID = [
    None, "", "nonsense", PARENT.upper(), PARENT[:-1], PARENT + "-x", "ff" + PARENT[2:], " " + PARENT, PARENT + "\n",
    "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    PARENT.replace("-01", '-"}'),
]  # fmt: skip


def test_a_valid_parent_is_continued_by_a_new_span() -> None:
    version, trace, span, flags = continue_trace(PARENT).split("-")

    assert (version, trace, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01")
    assert span != "00f067aa0ba902b7"
    assert trace_id(continue_trace(PARENT)) == trace


@pytest.mark.parametrize("header", INVALID)
def test_anything_else_begins_a_trace(header: str | None) -> None:
    """What a stranger sends must not get into a message as it is: the scripts put it between quotes."""
    begun = continue_trace(header)

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", begun)
    assert begun != continue_trace(header)


def test_what_is_no_traceparent_has_no_trace() -> None:
    assert trace_id("nonsense") == ""
