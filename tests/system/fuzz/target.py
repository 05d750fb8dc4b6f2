"""What a target of the fuzzer is, and the values that are put where a number, a text or anything else is expected."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Check = Callable[[Any], None]
"""raises AssertionError, or whatever the product lets through, where an example does harm"""


@dataclass(frozen=True)
class Target:
    """An edge of the product."""

    examples: st.SearchStrategy[Any]
    open: Callable[[], AbstractContextManager[Check]]
    """starts what is attacked"""
    round_size: int = 100
    """examples before the clock is looked at"""
    show: Callable[[Any], str] = ascii


NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**400, -0.0, 1e308, 5e-324]),
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(["", "\x1b[2J", "a\nb", "\u202egnp.exe", "\ud800", "../../x", "x" * 5000, "\0"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), NUMBERS, TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
