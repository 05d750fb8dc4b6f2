"""uvicorn's HTTP protocol, with the bounds of a request."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vidferry_common.http.request_bounds import BoundedRequests


class ApiProtocol(BoundedRequests, HttpToolsProtocol):
    """uvicorn's `http=` class of an api that stands alone."""
