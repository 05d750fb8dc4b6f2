"""Announces that an operation goes away: the headers Deprecation (RFC 9745) and Sunset (RFC 8594).

@router.get("/api/old", **deprecated_since(date(2027, 1, 31), sunset=date(2028, 1, 31)))
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from email.utils import format_datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "x-deprecation"
"""the field of the operation in the OpenAPI document that has the headers"""


def deprecated_since(day: date, *, sunset: date) -> dict[str, Any]:
    """What a route's decorator is given so that its operation is deprecated, and gone from the day of sunset on."""
    headers = {"Deprecation": f"@{_midnight(day).timestamp():.0f}", "Sunset": format_datetime(_midnight(sunset), True)}
    return {"deprecated": True, "openapi_extra": {_KEY: headers}}


def has_deprecated(routes: Iterable[BaseRoute]) -> bool:
    return any(_headers_of(route) for route in routes)


class DeprecationHeaders:
    """Middleware that adds the headers of a deprecated route to its responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_headers_of(scope.get("route")))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _headers_of(route: object) -> dict[str, str]:
    headers: dict[str, str] = (getattr(route, "openapi_extra", None) or {}).get(_KEY, {})
    return headers


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
