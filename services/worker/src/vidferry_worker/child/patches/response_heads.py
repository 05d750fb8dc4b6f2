"""Changes how http.client, which yt-dlp's requests use, reads the status and headers of a response.

By itself, http.client skips 100 but takes any other 1xx for the final response (RFC 9110 §15.2: a client must be able
to parse one or more of them), and finds no length in "Content-Length: 5, 5", at which yt-dlp fails with a ValueError.
With the patch, interim responses are skipped, and equal lengths count as one (§8.6).
"""

import http.client as module
from http.client import HTTPMessage, HTTPResponse
from typing import Any

from vidferry_worker.child.interim_responses import MOST_INTERIM, is_interim, unite_lengths


def install() -> None:
    """Installs the patch, for all responses that http.client reads."""
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
