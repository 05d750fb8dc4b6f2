"""What all request handlers make of interim responses, and of a length that is told more than once (RFC 9110)."""

from http.client import HTTPMessage

MOST_INTERIM = 100
"""interim responses before the final one"""
_SWITCHING = 101


def is_interim(status: int) -> bool:
    """Whether another response follows; none does after 101, which ends HTTP on the connection."""
    return 100 <= status < 200 and status != _SWITCHING  # noqa: PLR2004 - the class of 1xx


def unite_lengths(headers: HTTPMessage) -> None:
    """Merges equal Content-Length values into one (§8.6); differing ones stay, and readers refuse them."""
    lengths = [part.strip() for each in headers.get_all("Content-Length", []) for part in each.split(",")]
    if len(lengths) > 1 and len(set(lengths)) == 1:
        del headers["Content-Length"]
        headers["Content-Length"] = lengths[0]
