"""Every value that README.md tells does something."""

import re
from typing import Any

import pytest

from support.chart import CHART, merged, nested, render
from system.chart.changes import CHANGES, SERVICES, UNSHOWN, Change

ROW = re.compile(r"^\| `([A-Za-z0-9.]+)` \|", re.MULTILINE)
DOCUMENTED = ROW.findall((CHART / "README.md").read_text())


def test_all_are_here() -> None:
    common = {f"{name}.{path}" for path, found in SERVICES.items() for name in found}
    assert len(DOCUMENTED) > 150
    assert set(DOCUMENTED) == {*CHANGES, *UNSHOWN, *common}
    assert len(DOCUMENTED) == len(CHANGES) + len(UNSHOWN) + len(common)


@pytest.mark.parametrize("path", CHANGES)
def test_it_changes_what_is_made(path: str) -> None:
    change = CHANGES[path]
    _check([change], nested(path, change.value))


@pytest.mark.parametrize("path", SERVICES)
def test_it_changes_its_service(path: str) -> None:
    changes = SERVICES[path]
    _check(list(changes.values()), merged(*(nested(f"{name}.{path}", each.value) for name, each in changes.items())))


def _check(changes: list[Change], values: dict[str, Any]) -> None:
    beside = changes[0].beside
    before, after = render(beside), render(merged(beside, values))
    for change in changes:
        leaf, there, elsewhere = change.leaf, after, before
        if leaf.startswith("not "):
            leaf, there, elsewhere = leaf.removeprefix("not "), before, after
        found = there.leaves(change.resource)
        assert any(line.endswith(leaf) for line in found), f"no leaf of {change.resource} ends with {leaf}"
        assert not any(line.endswith(leaf) for line in elsewhere.leaves(change.resource))
