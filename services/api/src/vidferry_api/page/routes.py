"""The web page and its parts, from the package."""

import os
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

FOLDER = Path(str(resources.files("vidferry_api") / "page"))

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""Of what the page is made of. The machine's own table may be missing or wrong, and with nosniff a module of a wrong
type does not run."""


class PageFiles(StaticFiles):
    """The page's files, and no others of its folder.

    They are always asked for anew (by ETag), so that a page and its modules are of one release.
    """

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if Path(path).suffix in TYPES else ("", None)

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = POLICY
        if "content-type" in response.headers and (kind := TYPES.get(Path(full_path).suffix)):
            response.headers["Content-Type"] = kind
        return response


page_files = PageFiles(directory=FOLDER)


@router.api_route("/", methods=["GET", "HEAD"])
async def get_index(request: Request) -> Response:
    """Nothing in the page needs a template: its URLs are relative."""
    return await page_files.get_response("index.html", request.scope)


def mount_page(app: FastAPI) -> None:
    app.include_router(router)
    app.mount("/static", page_files, name="static")
