"""`GET /` and `/static/…`: the web page and its files."""

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from vidferry_api.access.declared import public
from vidferry_api.page.files import page_files

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
@public
async def get_index(request: Request) -> Response:
    """The page as it is in the package: its URLs are relative, so nothing has to be filled in."""
    return await page_files.get_response("index.html", request.scope)


def mount_page(app: FastAPI) -> None:
    """Adds the page and its files to the app."""
    app.include_router(router)
    app.mount("/static", page_files, name="static")
