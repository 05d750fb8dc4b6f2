"""Retry-After (RFC 9110 §10.2.3): for how long a site asks us to wait, and the short waits within a download."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from yt_dlp.networking.exceptions import HTTPError

from vidferry_worker.child.classify import code_of_status
from vidferry_worker.child.error_chain import error_chain

MAX_WAIT = 5.0
"""seconds that a download waits; a longer wait ends the attempt, which is then retried"""
MAX_WAITS = 3
"""waits of one request"""


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait, None where the header is missing or invalid. now is in seconds since 1970."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", value):
        return float(value)
    due = _parse_http_date(value)
    if due is None:
        return None
    here = _parse_http_date(headers.get("Date") or "")  # by the site's own clock, if it sends the time
    return max(0.0, due - (now if here is None else here))


def _parse_http_date(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date."""
    try:
        return parsedate_to_datetime(date[:100]).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def find_retry_after(error: BaseException) -> float | None:
    """The seconds that the site asked for in the response that failed the attempt; None where it didn't ask."""
    answers = [
        each for each in error_chain(error) if isinstance(each, HTTPError) and code_of_status(each.status).retryable
    ]
    return next(filter(None, (parse_retry_after(each.response.headers, time.time()) for each in answers)), None)


class SiteWaits:
    """The waits of one download: while one lasts, no thread of the download sends a request."""

    def __init__(self, tell: Callable[[float], None] = lambda _: None) -> None:
        self.on_wait = tell
        """is called with the seconds of each wait before it begins"""
        self._until = 0.0
        self._lock = threading.Lock()

    def sleep(self) -> None:
        """Sleeps until a request may be sent."""
        while (left := self._until - time.monotonic()) > 0:
            time.sleep(left)

    def accept_wait(self, seconds: float, waits: int) -> bool:
        """Whether a request should wait that long, after so many waits; if so, the next sleep() does."""
        if seconds > MAX_WAIT or waits >= MAX_WAITS:
            return False
        with self._lock:
            until = time.monotonic() + seconds
            if until > self._until:
                self._until = until
                self.on_wait(seconds)
        return True
