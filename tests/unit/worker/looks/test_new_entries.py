import pytest

from vidferry_common.contract.batches import Entry
from vidferry_common.contract.errors import JobFailure
from vidferry_worker.looks.new_entries import NewEntries


def entries(names: str) -> list[Entry]:
    return [Entry(f"https://example.org/{name}" if name != "-" else "") for name in names.split()]


def taken(known: str, asked: int, *pages: str) -> tuple[str, int]:
    """What comes of the pages of a list that is read again, and how many may still come."""
    new = NewEntries(entries(known), asked)
    found = [entry for page in pages for entry in new.take(entries(page))]
    return " ".join(entry.url.rpartition("/")[2] or "-" for entry in found), new.remaining


def test_a_list_goes_on_where_it_was_left() -> None:
    assert taken("", 1000, "a b", "c") == ("a b c", 997)
    assert taken("a b", 1000, "a b", "c d") == ("c d", 996)


def test_a_list_that_has_changed_gives_none_twice_and_loses_none() -> None:
    """A video has come first, another is gone, two have changed places."""
    assert taken("a b c", 1000, "new a b", "c d e") == ("new d e", 994)
    assert taken("a b c", 1000, "b", "c d e") == ("d e", 995)
    assert taken("a b", 1000, "d b", "c a") == ("d c", 996)


def test_no_more_come_than_were_asked_for() -> None:
    assert taken("a b", 4, "new a b c d") == ("new c", 0)
    assert taken("a b c", 3, "new") == ("", 0)
    assert taken("a b c", 2, "new") == ("", 0)


def test_a_child_that_repeats_itself_makes_no_entry_twice() -> None:
    assert taken("a", 1000, "b b", "b a c") == ("b c", 997)


def test_a_child_that_lists_for_ever_ends() -> None:
    for page in ("a b", ""):
        new = NewEntries([], 10)
        for _ in range(12 // max(1, len(page.split()))):
            new.take(entries(page))
        with pytest.raises(JobFailure):
            new.take(entries(page))


def test_entries_without_a_url_are_counted() -> None:
    assert taken("a -", 1000, "a - - b") == ("- b", 996)


@pytest.mark.parametrize(
    ("known", "listed", "more"),
    [("", "a b", False), ("", "a b a", False), ("", "a b c", True), ("a b", "a b", False), ("a b", "a b c", True)],
)
def test_one_more_than_may_be_taken_tells_that_there_are_more(known: str, listed: str, more: bool) -> None:
    new = NewEntries(entries(known), 2, tells_more=True)
    assert not new.is_complete
    assert len(new.take(entries(listed))) + len(entries(known)) == 2
    assert (new.has_more, new.is_complete) == (more, more)
    assert len(entries(listed)) <= new.to_list


def test_what_a_caller_leaves_out_is_not_told() -> None:
    new = NewEntries([], 2)
    new.take(entries("a b c"))
    assert (new.has_more, new.is_complete) == (False, True)
