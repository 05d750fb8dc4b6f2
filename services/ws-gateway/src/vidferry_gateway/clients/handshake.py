"""The opening handshake (RFC 6455 §4.2), checked by the websockets library; refusals are problem documents."""

import logging
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from vidferry_common.contract.errors import ProblemCode
from vidferry_common.http import problems
from vidferry_gateway.refusals import NOTHING_HERE, WEBSOCKET_METHODS

_acceptor = ServerProtocol(logger=logging.getLogger("websockets.server"))
"""One instance serves every handshake: only its checks are used, and they keep no state that matters. An instance for
each connection would keep the request in memory as well."""

_RULES = "Send a handshake as RFC 6455 §4.1 describes it: Sec-WebSocket-Version 13, and a key of 16 bytes."
_VERSION = {"Sec-WebSocket-Version": "13"}


def parse_request(text: bytes) -> Request:
    """Parses the request's text, which uvicorn has rebuilt from the request that it parsed and checked."""
    first, *lines = text.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = Headers()
    for line in lines:
        name, _, value = line.partition(": ")
        headers.set_insecure(name, value)
    return Request(path, headers, method)


def header_pairs(request: Request) -> list[tuple[bytes, bytes]]:
    """The request's headers in order, with lower-case names."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.raw_items()]


def answer_handshake(request: Request, *, host_refusal: ProblemCode | None, known_path: bool) -> tuple[bool, bytes]:
    """Whether the handshake succeeds, and the response to send."""
    if host_refusal is not None:
        return False, _refusal_response(request, host_refusal, problems.HOST_DETAILS[host_refusal])
    if not known_path:
        return False, _refusal_response(request, ProblemCode.NOT_FOUND, NOTHING_HERE)
    response = _acceptor.accept(request)
    match response.status_code:
        case HTTPStatus.SWITCHING_PROTOCOLS:
            return True, response.serialize()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return False, _refusal_response(
                request, ProblemCode.METHOD_NOT_ALLOWED, "Use GET.", Allow=WEBSOCKET_METHODS
            )
        case HTTPStatus.UPGRADE_REQUIRED:
            return False, _refusal_response(
                request, ProblemCode.UPGRADE_REQUIRED, problems.UPGRADE_REQUIRED, **problems.UPGRADE
            )
        case _:
            return False, _refusal_response(request, ProblemCode.INVALID_HANDSHAKE, _RULES, **_VERSION)


def _refusal_response(request: Request, code: ProblemCode, detail: str, **headers: str) -> bytes:
    return problems.problem_bytes(code, detail, headers, body=request.method != "HEAD")
