"""Heads of answers that http.client reads wrongly: interim ones, and a length that is told twice.

By itself it passes over 100 alone and takes any other 1xx for the answer (RFC 9110 §15.2: a client must be able to
parse one or more of them), and it finds no length in "Content-Length: 5, 5", though equal ones may be taken as one
(§8.6). yt-dlp fails at the second by a ValueError.
"""

import http.client as module
from http.client import HTTPMessage, HTTPResponse
from typing import Any

MOST_INTERIM = 100
"""answers of 1xx before one; more are no answer"""
_SWITCHING = 101


def is_interim(status: int) -> bool:
    """Whether another answer follows; 101 is the last one of HTTP on its connection."""
    return 100 <= status < 200 and status != _SWITCHING  # noqa: PLR2004 - the class of 1xx


def unite_lengths(headers: HTTPMessage) -> None:
    """Makes one Content-Length of several that are equal; those that differ stay, for urllib3 to refuse."""
    lengths = [part.strip() for each in headers.get_all("Content-Length", []) for part in each.split(",")]
    if len(lengths) > 1 and len(set(lengths)) == 1:
        del headers["Content-Length"]
        headers["Content-Length"] = lengths[0]


def install() -> None:
    """From here on, for all that http.client reads."""
    read_status, parse_headers = HTTPResponse._read_status, module.parse_headers  # type: ignore[attr-defined]  # noqa: SLF001

    def read_final_status(response: Any) -> Any:
        for _ in range(MOST_INTERIM):
            version, status, reason = read_status(response)
            if not is_interim(status):
                return version, status, reason
            parse_headers(response.fp)
        raise module.BadStatusLine("answers of 1xx without end")

    def parse_and_unite(*args: Any, **how: Any) -> HTTPMessage:
        headers: HTTPMessage = parse_headers(*args, **how)
        unite_lengths(headers)
        return headers

    HTTPResponse._read_status = read_final_status  # type: ignore[attr-defined]  # noqa: SLF001
    module.parse_headers = parse_and_unite  # type: ignore[assignment]
