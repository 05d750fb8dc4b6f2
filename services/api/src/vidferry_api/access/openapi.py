"""The parts of the OpenAPI document about access: what each operation asks for, and how it refuses."""

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from vidferry_api.access.declared import required_scopes
from vidferry_api.http.problems import problem_responses
from vidferry_common.contract.errors import ProblemCode

_SCHEME = "bearer"
SECURITY_SCHEMES = {
    _SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`vf_…`), or a token of the OpenID Connect issuer. `GET /api/access` tells which of "
        "them is asked for; where its mode is `none`, neither is. Each operation names the scopes that the key or "
        "token needs; `admin` has all of them.",
    }
}
_REFUSALS = problem_responses(
    ProblemCode.UNAUTHENTICATED, ProblemCode.FORBIDDEN, ProblemCode.RATE_LIMIT, ProblemCode.ISSUER_UNAVAILABLE
)
_HEADERS = {
    "WWW-Authenticate": {"description": "What is asked for (RFC 6750).", "schema": {"type": "string"}},
}


def declare_access(route: BaseRoute, *, optional: bool) -> None:
    """Adds to a route what it asks for and how it refuses. optional: access is open, so that it asks nobody."""
    scopes = required_scopes(route)
    if not scopes or not isinstance(route, APIRoute):
        return
    security: list[dict[str, list[str]]] = [{_SCHEME: sorted(scopes)}, *([{}] if optional else [])]
    route.openapi_extra = {**(route.openapi_extra or {}), "security": security}
    for status, refusal in _REFUSALS.items():
        declared = dict(route.responses.get(status, refusal))
        if declared["description"] != refusal["description"]:
            declared["description"] = f"{declared['description']}; {refusal['description']}"
        if int(status) < ProblemCode.RATE_LIMIT.status:
            declared["headers"] = {**declared.get("headers", {}), **_HEADERS}
        route.responses[status] = declared
