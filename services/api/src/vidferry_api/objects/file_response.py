"""The response that sends an open file, whole or in ranges."""

import re

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from vidferry_api.http.problems import Problem
from vidferry_common.bucket import OpenedObject
from vidferry_common.contract.errors import ProblemCode

_RANGE = re.compile(r"bytes\s*=\s*(?:\d+-\d*|-\d+)(?:\s*,\s*(?:\d+-\d*|-\d+))*\s*", re.IGNORECASE)


class OpenFileResponse(FileResponse):
    """A response that sends an open file with support for Range, and then closes the file."""

    def __init__(self, opened: OpenedObject, headers: dict[str, str]) -> None:
        # By descriptor, not by name: the file stays readable when the object is replaced meanwhile.
        super().__init__(f"/dev/fd/{opened.file.fileno()}", headers=headers, media_type=opened.stored.content_type)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def send_unless_refused(message: Message) -> None:
            """Drops Starlette's refusal of a range, which is plain text."""
            nonlocal refused
            refused = refused or (message["type"] == "http.response.start" and message["status"] >= 400)  # noqa: PLR2004
            if not refused:
                await send(message)

        try:
            await super().__call__(_drop_invalid_range(scope), receive, send_unless_refused)
        finally:
            self._opened.file.close()
        if refused:
            await _range_problem(self._opened.stored.size).response()(scope, receive, send)


def _drop_invalid_range(scope: Scope) -> Scope:
    """Removes a Range header that is malformed or not on a GET: it is to be ignored (RFC 9110 §14.2)."""
    if scope["method"] == "GET" and _RANGE.fullmatch(Headers(scope=scope).get("range", "")):
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"range"]}


def _range_problem(size: int) -> Problem:
    return Problem(
        ProblemCode.RANGE_NOT_SATISFIABLE,
        f"Request bytes from 0 to {size - 1}, or omit the Range header.",
        headers={"Content-Range": f"bytes */{size}"},
    )
