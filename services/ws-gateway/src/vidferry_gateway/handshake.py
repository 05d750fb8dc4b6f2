"""The opening handshake (RFC 6455 §4.2), by websockets' rules."""

import logging
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

_acceptor = ServerProtocol(logger=logging.getLogger("websockets.server"))
"""Only its rules are used, which keep nothing that matters: a core for each socket would keep its request as well."""


def read_request(text: bytes) -> Request:
    """As uvicorn writes it, from what it has parsed and checked."""
    first, *lines = text.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = Headers()
    for line in lines:
        name, _, value = line.partition(": ")
        headers.set_insecure(name, value)
    return Request(path, headers, method)


def accept(request: Request) -> Response:
    """101, or why not."""
    return _acceptor.accept(request)


def no_such_path() -> Response:
    return _acceptor.reject(HTTPStatus.NOT_FOUND, "There is no WebSocket at this path.\n")
