"""The status and headers of a response, collected line by line within the bounds of Python's http.client."""

import http.client
from http.client import HTTPMessage

from vidferry_worker.child.impersonation.redirects import REDIRECTS
from vidferry_worker.child.interim_responses import MOST_INTERIM, is_interim, unite_lengths

MAX_HEADERS = 100
MAX_LINE = 64 * 1024
"""bytes"""


class ResponseHead:
    """The head of the final response. Interim ones before it are skipped, trailers after it are ignored."""

    def __init__(self) -> None:
        self.status = 0
        self.headers = HTTPMessage()
        self.is_complete = False
        self._interim = 0

    @property
    def is_redirect(self) -> bool:
        """Whether it leads to another URL, whatever its body says."""
        return self.status in REDIRECTS and bool(self.headers.get("Location"))

    def add_line(self, line: bytes) -> None:
        """Adds a line as it came; HTTPException where there are too many, or it is too long."""
        if self.is_complete:
            return
        if len(line) > MAX_LINE:
            raise http.client.LineTooLong("header line")
        text = line.decode("latin-1").rstrip("\r\n")
        if not self.status:
            self._start(text)
        elif text:
            self._add_header(text)
        elif is_interim(self.status):
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise http.client.BadStatusLine("answers of 1xx without end")
            self.status, self.headers = 0, HTTPMessage()
        else:
            unite_lengths(self.headers)
            self.is_complete = True

    def _start(self, text: str) -> None:
        words = text.split(maxsplit=2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():  # noqa: PLR2004 - both of them
            raise http.client.BadStatusLine(text[:100])
        self.status = int(words[1])

    def _add_header(self, text: str) -> None:
        if len(self.headers) >= MAX_HEADERS:
            raise http.client.HTTPException(f"got more than {MAX_HEADERS} headers")
        name, colon, value = text.partition(":")
        if colon:
            self.headers[name.strip()] = value.strip()
