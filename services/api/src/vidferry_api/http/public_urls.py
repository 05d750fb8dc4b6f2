"""Vidferry's own URLs as the caller sees them: by the setting, else by the request's host."""

from starlette.requests import Request

from vidferry_api.http.problems import Problem
from vidferry_api.settings import ApiSettings
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_common.http.host import forwarded_host


def public_root(request: Request, settings: ApiSettings) -> str:
    """`https://host/prefix`, without a slash at the end; Problem where the request names no host.

    One that is not known has been refused before (KnownHost).
    """
    if settings.public_url:
        return settings.public_url
    scheme, host = request.url.scheme, request.headers.get("host", "")
    if settings.proxies.trusted(request.client.host if request.client else ""):
        scheme = _first_listed(request.headers.get("x-forwarded-proto")) or scheme
        host = forwarded_host(request.scope["headers"]) or host
    if not host or scheme not in {"http", "https"}:
        raise Problem(ProblemCode.INVALID_HOST, problems.INVALID_HOST)
    return f"{scheme}://{_normalize_host(host)}{request.scope.get('root_path', '').rstrip('/')}"


def job_url(root: str, job_id: str) -> str:
    return f"{root}/api/jobs/{job_id}"


def websocket_url(root: str, job_id: str) -> str:
    """Http becomes ws, https becomes wss."""
    return f"ws{root.removeprefix('http')}/ws/download/{job_id}"


def events_url(root: str, job_id: str) -> str:
    return f"{root}/sse/download/{job_id}"


def _normalize_host(host: str) -> str:
    """A host in its one spelling, so that links and what is kept by their root don't depend on it."""
    name, colon, port = host.rpartition(":")
    if not port.isdecimal():
        name, colon, port = host, "", ""
    return f"{name.lower().removesuffix('.')}{colon}{port}"


def _first_listed(header: str | None) -> str:
    """What the outermost proxy saw."""
    return (header or "").split(",")[0].strip()
