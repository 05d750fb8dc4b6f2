"""What is endless ends, and the worker goes on."""

import pytest

from system.hostile.island import MAX_BYTES, Island
from system.hostile.test_inward import untouched

pytestmark = [pytest.mark.hostile, pytest.mark.xdist_group("hostile")]
WITHOUT_END = ["endless", "endless.m3u8", "bomb", "bomb.m3u8"]
MARKS = ("..", "/", "\\", "\x1b", "\r", "\n", "\x07")
MANY = 100


def test_an_endless_body_keeps_within_its_disk(guarded: Island) -> None:
    found = guarded.attack("http://evil.example/endless.mp4")

    assert found.code == "too_large", found
    assert 0 < found.most_bytes <= MAX_BYTES


def test_without_that_bound_it_takes_more(open_island: Island) -> None:
    found = open_island.attack("http://evil.example/endless.mp4")

    assert found.most_bytes > MAX_BYTES, found


@pytest.mark.parametrize("path", WITHOUT_END)
def test_a_page_or_a_manifest_without_an_end_is_given_up(path: str, guarded: Island) -> None:
    """Whether it does not end on the wire or in what it unpacks to."""
    found = guarded.attack(f"http://evil.example/{path}")

    assert found.code == "unsupported_site", found
    untouched(found)


@pytest.mark.parametrize("path", WITHOUT_END)
def test_without_that_bound_it_is_memory_or_time_that_ends_it(path: str, open_island: Island) -> None:
    found = open_island.attack(f"http://evil.example/{path}")

    assert found.code in {"resources_exceeded", "internal", "timed_out"}, found


def test_a_page_of_a_hundred_thousand_entries_is_given_up(guarded: Island) -> None:
    found = guarded.attack("http://evil.example/entries")

    assert found.code == "unsupported_site", found
    assert set(found.asked) == {"/entries"}


def test_without_that_bound_it_takes_its_time(open_island: Island) -> None:
    """All that there is for an extraction, or until the first entry turns out not to be there."""
    found = open_island.attack("http://evil.example/entries")

    assert found.code in {"timed_out", "unavailable"}, found


def test_redirects_end(guarded: Island) -> None:
    found = guarded.attack("http://evil.example/redirect-loop")

    assert found.code == "refused", found
    assert len(found.asked) < MANY


def test_without_a_bound_they_do_not(open_island: Island) -> None:
    found = open_island.attack("http://evil.example/redirect-loop")

    assert found.code == "timed_out", found
    assert len(found.asked) > MANY


@pytest.mark.parametrize("path", ["name", "named.mp4", "..%2f..%2f..%2ftmp%2fescaped.mp4"])
def test_a_name_leads_nowhere_and_holds_no_control_characters(path: str, guarded: Island) -> None:
    before = sorted(each for each in guarded.home.parent.rglob("*") if "bucket" not in each.parts)
    found = guarded.attack(f"http://evil.example/{path}")

    assert found.state["status"] == "completed", (found.why, found)
    result = found.state["result"]
    assert not [mark for mark in MARKS if mark in result["filename"]]
    assert all(each.startswith(("objects/videos/", "locks/")) and ".." not in each for each in found.bucket)
    assert sorted(each for each in guarded.home.parent.rglob("*") if "bucket" not in each.parts) == before


def test_without_that_it_is_the_sites_name_that_a_browser_is_given(open_island: Island) -> None:
    found = open_island.attack("http://evil.example/name")

    assert [mark for mark in MARKS if mark in found.state["result"]["filename"]], found


def test_after_all_that_the_worker_still_works(guarded: Island) -> None:
    found = guarded.attack("http://evil.example/clip.mp4?afterwards")

    assert found.state["status"] == "completed", (found.why, found)
    assert found.state["result"]["size"] > 2 * 1024**2
    untouched(found)
