"""Leaves out of redirected requests the headers that hold cookies of the site before.

By themselves, yt-dlp and requests leave out Cookie and Authorization, but no header of an extractor's own.
"""

from typing import Any

from yt_dlp.networking._requests import RequestsSession

from vidferry_worker.child import cookies


def install() -> None:
    rebuild_auth = RequestsSession.rebuild_auth

    def rebuild_headers(self: Any, prepared_request: Any, response: Any) -> None:
        """Called by requests for each redirect, once the request has its new URL."""
        rebuild_auth(self, prepared_request, response)
        cookies.withhold_values(prepared_request.headers, prepared_request.url)

    RequestsSession.rebuild_auth = rebuild_headers
