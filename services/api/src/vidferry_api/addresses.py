"""Vidferry's own addresses as the caller sees them: by the setting, else by the request."""

import re

from starlette.requests import Request

from vidferry_api.problems import Problem
from vidferry_api.settings import ApiSettings
from vidferry_common.contract.errors import ProblemCode

# Host is the caller's text; only what can be a host and a port becomes part of an address.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def public_root(request: Request, settings: ApiSettings) -> str:
    """`https://host/prefix`, without a slash at the end; Problem where the request names no usable host."""
    if settings.public_url:
        return settings.public_url
    scheme, host = request.url.scheme, request.headers.get("host", "")
    if settings.proxies.trusted(request.client.host if request.client else ""):
        scheme = _first(request.headers.get("x-forwarded-proto")) or scheme
        host = _first(request.headers.get("x-forwarded-host")) or host
    if not _HOST.fullmatch(host) or scheme not in {"http", "https"}:
        raise Problem(ProblemCode.INVALID_HOST, "Send the host that you connect to, with its port, as Host.")
    return f"{scheme}://{host}{request.scope.get('root_path', '').rstrip('/')}"


def job_address(root: str, job_id: str) -> str:
    return f"{root}/api/jobs/{job_id}"


def socket_address(root: str, job_id: str) -> str:
    """Http becomes ws, https becomes wss."""
    return f"ws{root.removeprefix('http')}/ws/download/{job_id}"


def events_address(root: str, job_id: str) -> str:
    return f"{root}/sse/download/{job_id}"


def _first(header: str | None) -> str:
    """What the outermost proxy saw."""
    return (header or "").split(",")[0].strip()
