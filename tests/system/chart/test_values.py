"""Every value that README.md tells does something."""

import re
from typing import Any

import pytest

from support.chart import CHART, merged, nested, render
from system.chart.changes import CHANGES, SERVICES, UNSHOWN, Change

ROW = re.compile(r"^\| `([A-Za-z0-9.]+)` \|", re.MULTILINE)
DOCUMENTED = ROW.findall((CHART / "README.md").read_text())
CASES: dict[str, tuple[list[Change], dict[str, Any]]] = {
    **{path: ([each], merged(each.beside, nested(path, each.value))) for path, each in CHANGES.items()},
    **{
        f"service.{path}": (
            list(changes.values()),
            merged(
                *(each.beside for each in changes.values()),
                *(nested(f"{name}.{path}", each.value) for name, each in changes.items()),
            ),
        )
        for path, changes in SERVICES.items()
    },
}
"""what a value changes, and all values to see it with"""
RENDERED = [values for changes, after in CASES.values() for values in (changes[0].beside, after)]


def test_all_are_here() -> None:
    common = {f"{name}.{path}" for path, found in SERVICES.items() for name in found}
    assert len(DOCUMENTED) > 150
    assert set(DOCUMENTED) == {*CHANGES, *UNSHOWN, *common}
    assert len(DOCUMENTED) == len(CHANGES) + len(UNSHOWN) + len(common)


@pytest.mark.parametrize("path", CASES)
def test_it_changes_what_is_made(path: str) -> None:
    changes, values = CASES[path]
    before, after = render(changes[0].beside), render(values)
    for change in changes:
        leaf, there, elsewhere = change.leaf, after, before
        if leaf.startswith("not "):
            leaf, there, elsewhere = leaf.removeprefix("not "), before, after
        found = there.leaves(change.resource)
        assert any(line.endswith(leaf) for line in found), f"no leaf of {change.resource} ends with {leaf}"
        assert not any(line.endswith(leaf) for line in elsewhere.leaves(change.resource))
