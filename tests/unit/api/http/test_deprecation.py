"""A route that goes away says so."""

from datetime import date

from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from vidferry_api.http.deprecation import DeprecationHeaders, deprecated_since, has_deprecated


def test_a_deprecated_route_announces_its_end() -> None:
    router = APIRouter()

    @router.get("/new")
    @router.get("/old", **deprecated_since(date(2027, 1, 31), sunset=date(2028, 1, 31)))
    async def answer() -> str:
        return "here"

    app = FastAPI()
    app.include_router(router)
    app.add_middleware(DeprecationHeaders)
    client = TestClient(app)

    old = client.get("/old").headers
    assert (old["deprecation"], old["sunset"]) == ("@1801353600", "Mon, 31 Jan 2028 00:00:00 GMT")
    assert not {"deprecation", "sunset"} & client.get("/new").headers.keys()
    assert client.get("/openapi.json").json()["paths"]["/old"]["get"]["deprecated"]
    assert has_deprecated(router.routes)
    assert not has_deprecated(app.routes[:1])
