"""uvicorn's HTTP protocol with bounds on requests."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vidferry_common.http.request_bounds import BoundedRequests


class ApiProtocol(BoundedRequests, HttpToolsProtocol):
    """The class for uvicorn's `http=` option where the api runs without a gateway."""
