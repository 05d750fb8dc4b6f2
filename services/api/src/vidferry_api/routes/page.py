"""The web page and its parts, from the package."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

FOLDER = Path(str(resources.files("vidferry_api") / "page"))


@router.get("/")
async def index() -> FileResponse:
    """Nothing in the page needs a template: its addresses are relative."""
    return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})


class Parts(StaticFiles):
    """Always asked for anew (by ETag), so that a page and its modules are of one release."""

    def file_response(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount(app: FastAPI) -> None:
    app.include_router(router)
    app.mount("/static", Parts(directory=FOLDER), name="static")
