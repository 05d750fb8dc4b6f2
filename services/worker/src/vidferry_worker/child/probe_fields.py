"""What sites and extractors say, brought into the types and bounds of a probe's document."""

import json
import math
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote, urlsplit

from vidferry_common.contract.probes import MAX_BYTES, Probe
from vidferry_worker.children.protocol import MAX_NAME, MAX_PAGE_URL, NUMBER_LIMIT, number_or_none

_FROM_THE_START = frozenset({"formats"})
"""lists whose first members are the least important"""


def text(value: Any, most: int = MAX_NAME) -> str | None:
    """A text of at most that many characters; None where there is none."""
    return " ".join(value.split())[:most] or None if isinstance(value, str) else None


def whole(value: Any, most: int = NUMBER_LIMIT - 1) -> int | None:
    """A whole number from 0 to most; None for anything else."""
    number = number_or_none(value)
    return int(number) if number is not None and math.isfinite(number) and number <= most else None


def url(value: Any) -> str | None:
    """A URL of http or https, in ASCII; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        plain = quote(value.strip().encode(errors="replace"), safe="%/:=&?~#+!$,;'@()*[]")
        parts = urlsplit(plain)
    except ValueError:
        return None
    fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and len(plain) <= MAX_PAGE_URL
    return plain if fits and plain.startswith(("http://", "https://")) else None


def date(value: Any) -> str | None:
    """yt-dlp's date, YYYYMMDD, as YYYY-MM-DD."""
    is_date = isinstance(value, str) and len(value) == 8 and value.isascii() and value.isdecimal()  # noqa: PLR2004
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if is_date else None


def shorten(probe: Probe) -> Probe:
    """The probe with fewer members in its longest lists, so that it is within MAX_BYTES."""
    while _count_bytes(asdict(probe)) > MAX_BYTES:
        lists = {name: value for name, value in asdict(probe).items() if isinstance(value, list)}
        longest = max(lists, key=lambda name: _count_bytes(lists[name]))
        members = getattr(probe, longest)
        kept = len(members) * 3 // 4
        members = members[-kept:] if longest in _FROM_THE_START and kept else members[:kept]
        probe = replace(probe, **{longest: members}, shortened=probe.shortened or longest != "entries")
    return probe


def _count_bytes(value: Any) -> int:
    return len(json.dumps(value))
