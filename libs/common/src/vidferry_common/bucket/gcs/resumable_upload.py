"""A resumable upload to Cloud Storage: chunks, status queries, and where to resume after a failure.

Driven here and not by the client library (read in google-cloud-storage 3.17): its loop repeats a failed chunk without
asking what arrived, stumbles over a chunk kept in part, and takes a lost last reply for a failure. The protocol is
documented at https://cloud.google.com/storage/docs/performing-resumable-uploads.

No request is made here; send makes them, and raises BucketErrors.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from vidferry_common.bucket.errors import BucketError, PreconditionFailed, StorageDenied, StorageUnavailable
from vidferry_common.bucket.health import Health
from vidferry_common.bucket.patience import Patience, RetryPolicy
from vidferry_common.bucket.source import Source

CHUNK = 8 * 1024 * 1024
"""bytes of a file that is complete; a multiple of PIECE"""
PIECE = 256 * 1024
"""bytes; Cloud Storage requires a multiple of it of all chunks but the last"""
GROWING_CHUNKS = 32
"""chunks, at least, of a file that still grows: only whole ones are sent, and the last is left to send when the file is
complete"""

_DONE = {HTTPStatus.OK, HTTPStatus.CREATED}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_DENIED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_RECEIVED = re.compile(r"bytes=0-(\d+)")


class Reply(Protocol):
    """The part of requests.Response that is used here."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


Send = Callable[[str, str, Mapping[str, str], Iterable[bytes]], Reply]
"""method, URL, headers, body -> reply; StorageUnavailable where none came"""


class Chunk:
    """The body of a request. It can be sent again from its start, and may be stopped between pieces."""

    def __init__(self, data: bytes, sent: Callable[[int], None]) -> None:
        self._data = data
        self._sent = sent

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), PIECE):
            yield self._data[start : start + PIECE]
            self._sent(min(start + PIECE, len(self._data)))


class ResumableUpload:
    """One resumable upload. begin opens a session and returns its URL, which is a capability: it is never logged."""

    def __init__(
        self,
        begin: Callable[[], str],
        send: Send,
        source: Source,
        progress: Callable[[int], None],
        retries: RetryPolicy,
        health: Health,
    ) -> None:
        self._begin = begin
        self._send = send
        self._source = source
        self._progress = progress
        self._health = health
        self._patience = Patience(retries, health, source.pause)
        self._session: str | None = None
        self._chunk_size = _chunk_size_for(source)
        self._offset: int | None = 0  # bytes the service has; None where it must be asked
        self._furthest = 0
        self._reported = 0

    def run(self) -> dict[str, Any]:
        """The finished object's resource. Raises BucketErrors, and Stopped."""
        while True:
            try:
                resource = self._send_next()
            except StorageUnavailable as error:
                self._patience.wait(error)
            else:
                if resource is not None:
                    self._report_progress(self._source.size)
                    return resource

    def abandon(self) -> None:
        """Cancels the session, so that nothing appears afterwards. A finished object stays."""
        if self._session is not None:
            self._send("DELETE", self._session, {"Content-Length": "0"}, ())

    def _send_next(self) -> dict[str, Any] | None:
        self._source.raise_if_stopped()
        if self._session is None:
            self._session, self._offset = self._begin(), 0
        if self._offset is None:
            return self._handle_reply(self._send("PUT", self._session, self._query_headers(), ()), None)
        return self._handle_reply(self._send_chunk(self._session, self._offset), self._offset)

    def _send_chunk(self, session: str, start: int) -> Reply:
        waited = self._source.waited
        data = self._source.read(start, self._chunk_size)
        self._patience.excuse(self._source.waited - waited)  # waiting for the file is not the service's fault
        end, size = start + len(data), self._source.size
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{size}" if data else f"bytes */{size}"}
        if end == size:
            # The service compares before it makes the object: a damaged upload never becomes visible.
            headers["X-Goog-Hash"] = f"crc32c={self._source.crc32c}"
        self._offset = None  # until a reply tells

        def sent(count: int) -> None:
            # With its last byte the upload may become an object: from then on the reply is waited for.
            if start + count < size:
                self._source.raise_if_stopped()
            self._report_progress(start + count)

        return self._send("PUT", session, headers, Chunk(data, sent))

    def _query_headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self._source.size}", "Content-Length": "0"}

    def _handle_reply(self, reply: Reply, start: int | None) -> dict[str, Any] | None:
        status = reply.status_code
        if status in _DONE:
            return _parse_resource(reply)
        if status == HTTPStatus.PERMANENT_REDIRECT:  # 308 is "resume incomplete" here
            self._resume_from(reply, start)
            self._health.record_answer()
            return None
        if status in _GONE:
            self._session = None  # documented: begin again
            raise StorageUnavailable("the upload's session is gone")
        raise _error_of(reply)

    def _resume_from(self, reply: Reply, start: int | None) -> None:
        received = _RECEIVED.fullmatch(reply.headers.get("Range", ""))
        self._offset = int(received[1]) + 1 if received else 0
        if self._offset > self._furthest:
            self._furthest = self._offset
            self._patience.renew()
        elif start is not None and self._offset <= start:
            raise StorageUnavailable("the service kept nothing of a chunk")

    def _report_progress(self, sent: int) -> None:
        if sent > self._reported or sent == self._source.size == 0:
            self._reported = sent
            self._progress(sent)


def _chunk_size_for(source: Source) -> int:
    return max(PIECE, min(CHUNK, source.size // GROWING_CHUNKS // PIECE * PIECE)) if source.grows else CHUNK


def _parse_resource(reply: Reply) -> dict[str, Any]:
    try:
        resource: dict[str, Any] = json.loads(reply.content)
        int(resource["generation"]), int(resource["size"])
    except (ValueError, TypeError, KeyError) as error:
        raise StorageUnavailable("the service's reply is no object's resource") from error
    return resource


def _error_of(reply: Reply) -> BucketError:
    status = reply.status_code
    text = f"the upload got {status}: {reply.content[:300].decode(errors='replace')}"
    if status == HTTPStatus.PRECONDITION_FAILED:
        return PreconditionFailed(text)
    if status in _DENIED:
        return StorageDenied(text)
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StorageUnavailable(text)
    return BucketError(text)
