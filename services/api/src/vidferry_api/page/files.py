"""The files of the web page, which are part of the package."""

import os
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(str(resources.files("vidferry_api") / "page"))

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""By suffix. The system's own table may be missing or wrong, and with nosniff browsers refuse a script of another
type."""


class PageFiles(StaticFiles):
    """The page's files, and nothing else from its folder.

    Browsers revalidate them each time (by ETag), so that the page and its modules are of one release.
    """

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if Path(path).suffix in MEDIA_TYPES else ("", None)

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        if "content-type" in response.headers and (media_type := MEDIA_TYPES.get(Path(full_path).suffix)):
            response.headers["Content-Type"] = media_type
        return response


page_files = PageFiles(directory=FOLDER)
