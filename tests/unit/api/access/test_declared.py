"""Every route asks for a scope, or says that it needs none."""

from typing import Any

from starlette.routing import Mount

from unit.api.conftest import OpenApp
from vidferry_api.access.declared import is_public, required_scopes
from vidferry_api.access.principal import Scope

FRAMEWORK = {"/openapi.json", "/static"}
"""made by FastAPI and Starlette, and public"""


def _own_routes(open_app: OpenApp) -> list[Any]:
    app: Any = open_app().app
    # FastAPI keeps an included router as one route without a path; its own routes are listed beside it.
    return [route for route in app.state.routes if getattr(route, "path", "") not in {"", *FRAMEWORK}]


def test_every_route_declares_who_may_use_it(open_app: OpenApp) -> None:
    routes = _own_routes(open_app)

    assert {"/", "/api/download", "/api/jobs/{job_id}"} <= {route.path for route in routes}
    for route in routes:
        assert bool(required_scopes(route)) != is_public(route), f"{route.methods} {route.path}"


def test_what_changes_jobs_needs_the_scope_to_write(open_app: OpenApp) -> None:
    for route in _own_routes(open_app):
        if route.methods & {"POST", "DELETE", "PUT", "PATCH"} and route.path != "/api/tickets":  # it changes nothing
            assert required_scopes(route) & {Scope.JOBS_WRITE, Scope.OBJECTS_DELETE, Scope.ADMIN}, route.path


def test_what_is_public(open_app: OpenApp) -> None:
    """Think twice before you add to this list."""
    assert {route.path for route in _own_routes(open_app) if is_public(route)} == {
        "/", "/healthz", "/readyz", "/api/access", "/files/{name:path}",
        "/ws/downloads", "/ws/download/{job_id}", "/sse/download/{job_id}",
    }  # fmt: skip
    mounts = [route for route in open_app().app.state.routes if isinstance(route, Mount)]  # type: ignore[attr-defined]
    assert [mount.path for mount in mounts] == ["/static"]
