"""yt-dlp's response to an impersonated request."""

import contextlib
import io

from yt_dlp.networking.common import Response
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.utils import int_or_none

from vidferry_common.contract.errors import JobFailure
from vidferry_worker.child.impersonation.connection import MAX_REDIRECT_BODY, Connection
from vidferry_worker.child.impersonation.errors import to_request_error
from vidferry_worker.child.impersonation.pool import ConnectionPool
from vidferry_worker.child.impersonation.response_head import ResponseHead


class Body(io.RawIOBase):
    """The body of a response. Its connection goes back to the pool once it is read to the end, and else is closed."""

    def __init__(self, connection: Connection, pool: ConnectionPool, head: ResponseHead) -> None:
        self._connection: Connection | None = connection
        self._pool = pool
        self._expected = int_or_none(head.headers.get("Content-Length"))
        self._received = 0

    def readable(self) -> bool:
        return True

    def read(self, amount: int | None = None) -> bytes:
        """So many bytes, fewer at the end; all without an amount. RequestError, or JobFailure where there is no end."""
        if self._connection is None:
            return b""
        try:
            data = self._connection.read(None if amount is None or amount < 0 else amount)
        except JobFailure:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise to_request_error(error, self._received, self._expected) from error
        self._received += len(data)
        if self._connection.is_read:
            connection, self._connection = self._connection, None
            self._pool.give_back(connection)
        return data

    def drain(self) -> None:
        """Reads the rest if it is short, and closes."""
        with contextlib.suppress(RequestError, JobFailure):
            self.read(MAX_REDIRECT_BODY)
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        super().close()


class ImpersonatedResponse(Response):  # type: ignore[misc]  # yt-dlp publishes no types
    """yt-dlp's response, whose read() raises what its body's does."""

    def __init__(self, body: Body, head: ResponseHead, url: str) -> None:
        super().__init__(fp=body, url=url, headers=head.headers, status=head.status)

    def read(self, amt: int | None = None) -> bytes:
        data: bytes = self.fp.read(amt)
        return data
