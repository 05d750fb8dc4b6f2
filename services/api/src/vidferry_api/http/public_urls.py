"""Vidferry's own URLs as callers see them: from VIDFERRY_PUBLIC_URL, else from the request's host."""

from starlette.requests import Request

from vidferry_api.http.problems import Problem
from vidferry_api.settings import ApiSettings
from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_common.http.host import forwarded_host


def public_root(request: Request, settings: ApiSettings) -> str:
    """`https://host/prefix`, without a slash at the end. Raises Problem if the request names no host.

    KnownHost has already refused requests with an unknown host.
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


def absolute_url(link: str, request: Request, settings: ApiSettings) -> str:
    """The link itself if it is a URL; below the public root if it is a path."""
    return public_root(request, settings) + link if link.startswith("/") else link


def job_url(root: str, job_id: str) -> str:
    return f"{root}/api/jobs/{job_id}"


def websocket_url(root: str, job_id: str) -> str:
    """The job's WebSocket: ws for http, wss for https."""
    return f"ws{root.removeprefix('http')}/ws/download/{job_id}"


def many_jobs_url(root: str) -> str:
    """The WebSocket for many jobs."""
    return f"ws{root.removeprefix('http')}/ws/downloads"


def events_url(root: str, job_id: str) -> str:
    return f"{root}/sse/download/{job_id}"


def _normalize_host(host: str) -> str:
    """The host in lower case and without a last dot: links and Idempotency-Keys must not depend on the spelling."""
    name, colon, port = host.rpartition(":")
    if not port.isdecimal():
        name, colon, port = host, "", ""
    return f"{name.lower().removesuffix('.')}{colon}{port}"


def _first_listed(header: str | None) -> str:
    """The first value of the list, which the outermost proxy wrote."""
    return (header or "").split(",")[0].strip()
