"""When an event is tried again: for a day, at growing intervals that are drawn by lot. Pure."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

GIVE_UP_SECONDS = 24 * 3600.0
FIRST_SECONDS, FACTOR, LONGEST_SECONDS = 10.0, 4, 4 * 3600.0
SHORTEST_SECONDS = 1.0
MAX_RETRY_AFTER = 6 * 3600.0
"""the longest that a receiver may ask for"""


def next_delay(failures: int, age: float, retry_after: float | None = None) -> float | None:
    """Seconds until the next try after that many failures in a row; None where the event is given up.

    age: seconds since the event was made. The last try is when a day is over, or soon after.
    """
    if age >= GIVE_UP_SECONDS:
        return None
    longest = min(FIRST_SECONDS * FACTOR ** min(failures - 1, 20), LONGEST_SECONDS)
    delay = max(SHORTEST_SECONDS, random.uniform(0, longest), min(retry_after or 0, MAX_RETRY_AFTER))  # noqa: S311 - nothing secret
    return min(delay, max(SHORTEST_SECONDS, GIVE_UP_SECONDS - age))


def parse_retry_after(text: str, now: float) -> float | None:
    """The seconds that a Retry-After asks for (RFC 9110, section 10.2.3); None where it is none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
