"""Names of browsers in the sites file."""

import pytest

from vidferry_worker.sites.browsers import is_browser, list_browsers

KNOWN = ["chrome-131:macos-14", "chrome-99:android-12", "safari-18.0:ios-18.0", "edge-101:windows-10"]


@pytest.mark.parametrize("name", ["chrome", "Chrome-131", "chrome:android", "safari-18.0:ios-18.0", ":windows-10"])
def test_a_browser_that_there_is(name: str) -> None:
    assert is_browser(name, KNOWN)


@pytest.mark.parametrize(
    "name",
    ["lynx", "chrome-132", "chrome-131:android", "edge:ios", "chrome:macos-15", "chrome-131-x", "::", "chrome:::"],
)
def test_one_that_there_is_not(name: str) -> None:
    assert not is_browser(name, KNOWN)


def test_the_browsers_for_a_person() -> None:
    assert list_browsers(KNOWN) == "chrome, edge, safari"
