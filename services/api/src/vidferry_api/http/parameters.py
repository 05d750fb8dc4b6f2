"""Parameters that lists and files share, and their parts of the OpenAPI document."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

from vidferry_api.http.problems import Problem
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.contract.thumbnails import MEDIA_TYPES
from vidferry_common.contract.tickets import QUERY

MAX_PAGE, DEFAULT_PAGE = 200, 50
MAX_TOKEN = 256
"""characters of a page token"""
MAX_HOST = 253
OWNER_PATTERN = r"^[A-Za-z0-9._@-]*$"
URI = {"type": "string", "format": "uri"}
THUMBNAIL = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in sorted(MEDIA_TYPES)}
"""the content of a thumbnail"""
TICKET_PROBLEMS = (ProblemCode.TICKET_INVALID, ProblemCode.TICKET_EXPIRED)
TICKET = {
    "name": QUERY,
    "in": "query",
    "description": "The ticket, as the links of the job or object have it, where access isn't open. It is used instead "
    "of an API key or token.",
    "schema": {"type": "string", "examples": ["1769852400.q4uXc0E2n2m1kq8o2k3J5mW0iY8l3Zp9bZQ4yQ0sT1A"]},
}


def _require_date(given: Any) -> Any:
    """Numbers are no times here, neither as text nor in a body, although pydantic takes them for seconds."""
    if not isinstance(given, str) or "T" not in given.upper():
        raise ValueError("must be a time of RFC 3339, such as 2026-01-31T09:30:00Z")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_require_date)]


def page_token_problem() -> Problem:
    """The refusal of a page token that Vidferry has not made for this list."""
    detail = "Send the page_token as the page before returned it, with the same filters; or begin without one."
    errors = [{"field": "page_token", "message": "this is not a token of a list with these filters"}]
    return Problem(ProblemCode.INVALID_REQUEST, detail, errors=errors)
