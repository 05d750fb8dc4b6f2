"""uvicorn's HTTP protocol, with the bounds of a request."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vidferry_common.http.request_bounds import BoundedRequests


class ApiProtocol(BoundedRequests, HttpToolsProtocol):
    """uvicorn's `http=` class of an api that stands alone."""

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a client that offers another protocol, such as HTTP/2, is answered in this one (RFC 9110 §7.8)."""
