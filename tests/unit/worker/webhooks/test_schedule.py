import pytest

from vidferry_worker.webhooks.schedule import (
    GIVE_UP_SECONDS,
    LONGEST_SECONDS,
    MAX_RETRY_AFTER,
    next_delay,
    parse_retry_after,
)


def test_delays_grow_to_a_longest_and_are_drawn_by_lot() -> None:
    for failures, longest in ((1, 10), (2, 40), (3, 160), (50, LONGEST_SECONDS), (10_000, LONGEST_SECONDS)):
        drawn = [next_delay(failures, 60) or 0 for _ in range(200)]
        assert 1 <= min(drawn) < longest / 4
        assert longest * 0.75 < max(drawn) <= longest


def test_a_day_is_enough_and_its_end_is_the_last_try() -> None:
    assert next_delay(20, GIVE_UP_SECONDS) is None
    assert 1 <= (next_delay(20, GIVE_UP_SECONDS - 5) or 0) <= 5
    tries, age = 1, 0.0
    while (delay := next_delay(tries, age)) is not None:
        tries, age = tries + 1, age + delay
    assert 8 < tries < 60
    assert GIVE_UP_SECONDS <= age < GIVE_UP_SECONDS + 2


def test_a_receiver_gets_the_time_that_it_asks_for_within_reason() -> None:
    assert (next_delay(1, 60, retry_after=300) or 0) == 300
    assert (next_delay(1, 60, retry_after=10**9) or 0) == MAX_RETRY_AFTER
    assert (next_delay(1, GIVE_UP_SECONDS - 100, retry_after=10**9) or 0) == 100


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40),
        ("Thu, 01 Jan 1970 00:00:40 GMT", 0),
        ("9" * 400, 999999999),
        *((text, None) for text in ("", "-5", "soon", "1.5", "²", "Fri, 99 Foo 99999999999 00:00:00")),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, now=60) == seconds
