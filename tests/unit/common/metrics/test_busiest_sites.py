import random

import pytest

from vidferry_common.metrics.busiest_sites import MAX_NAME, NAMED_SITES, BusiestSites
from vidferry_common.metrics.definitions import OTHER

OUTCOMES = ("good", "bad")


def sites_of(counts: BusiestSites) -> set[str]:
    return {site for site, _ in counts.values}


def test_a_site_has_a_series_of_each_outcome_from_its_first_event() -> None:
    counts = BusiestSites(OUTCOMES)
    counts.add("a.example", "bad")
    assert counts.values == {
        (OTHER, "good"): 0,
        (OTHER, "bad"): 0,
        ("a.example", "good"): 0,
        ("a.example", "bad"): 1,
    }


@pytest.mark.parametrize("site", ["", "192.0.2.7", "2001:db8::1", "x" * (MAX_NAME + 1)])
def test_what_names_no_site_is_other(site: str) -> None:
    counts = BusiestSites(OUTCOMES)
    counts.add(site, "good")
    assert counts.values == {(OTHER, "good"): 1, (OTHER, "bad"): 0}


def test_a_site_gives_its_place_to_one_that_is_twice_as_busy() -> None:
    counts = BusiestSites(OUTCOMES)
    for number in range(NAMED_SITES):
        for _ in range(2 if number else 1):
            counts.add(f"{number}.example", "good")
    for _ in range(2):
        counts.add("new.example", "good")
    assert "new.example" not in sites_of(counts)
    assert counts.values[OTHER, "good"] == 2
    counts.add("new.example", "bad")
    assert (counts.values["new.example", "good"], counts.values["new.example", "bad"]) == (0, 1)
    assert "0.example" not in sites_of(counts)
    assert counts.values[OTHER, "good"] == 2


def test_a_site_that_was_busy_once_gives_its_place_to_one_that_is_busy_now() -> None:
    counts = BusiestSites(OUTCOMES)
    for number in range(NAMED_SITES):
        for _ in range(100):
            counts.add(f"{number}.example", "good")
    for number in range(2 * NAMED_SITES):
        for _ in range(100):
            counts.add(f"new{number % NAMED_SITES}.example", "good")
    assert sum(site.startswith("new") for site in sites_of(counts)) > NAMED_SITES / 2


@pytest.mark.parametrize("seed", range(3))
def test_series_are_bounded_and_only_rise(seed: int) -> None:
    """10,000 events of 1,000 sites, some of them busier than others."""
    chance, counts, total = random.Random(seed), BusiestSites(OUTCOMES), 0.0
    for _ in range(10_000):
        before = dict(counts.values)
        counts.add(f"{int(chance.paretovariate(0.5)) % 1000}.example", chance.choice(OUTCOMES))
        assert len(counts.values) <= (NAMED_SITES + 1) * len(OUTCOMES)
        kept = counts.values.keys() & before.keys()
        assert all(counts.values[series] >= before[series] for series in kept)
        total += sum(counts.values[series] - before.get(series, 0) for series in counts.values)
    assert total == 10_000
    assert {"1.example", "2.example", "3.example"} <= sites_of(counts)
    assert len(counts._recent) < 2000
