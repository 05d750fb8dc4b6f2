"""Retry-After (RFC 9110 §10.2.3): for how long a site asks to be left alone, and the short waits within a download."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from yt_dlp.networking.exceptions import HTTPError

from vidferry_worker.child.classify import by_status, chain_of

IN_PLACE = 5.0
"""seconds that are waited for in the middle of a download; longer ones end the attempt, which then begins anew"""
MOST_WAITS = 3
"""of one request"""


def parse(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from now on, None where the header is missing or is nonsense. now is in seconds since 1970."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return float(value)
    due = _moment(value)
    if due is None:
        return None
    here = _moment(headers.get("Date") or "")  # the site's own clock, where it tells it
    return max(0.0, due - (now if here is None else here))


def _moment(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date."""
    try:
        return parsedate_to_datetime(date[:100]).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def asked_by(error: BaseException) -> float | None:
    """What the site asked for in the answer that an attempt failed by; None where it asked for nothing."""
    answers = [each for each in chain_of(error) if isinstance(each, HTTPError) and by_status(each.status).retryable]
    return next(filter(None, (parse(each.response.headers, time.time()) for each in answers)), None)


class Waits:
    """The waits of one download: where a site asks for one, no thread asks it for anything before."""

    def __init__(self, tell: Callable[[float], None] = lambda _: None) -> None:
        self.tell = tell
        """hears of each wait, in seconds, before it begins"""
        self._until = 0.0
        self._lock = threading.Lock()

    def sleep(self) -> None:
        """Until the site may be asked again."""
        while (left := self._until - time.monotonic()) > 0:
            time.sleep(left)

    def accept(self, seconds: float, waits: int) -> bool:
        """Whether a request that has waited that often is to wait so long; if so, sleep() does."""
        if seconds > IN_PLACE or waits >= MOST_WAITS:
            return False
        with self._lock:
            until = time.monotonic() + seconds
            if until > self._until:
                self._until = until
                self.tell(seconds)
        return True
