"""The class for uvicorn's `ws=` option.

uvicorn (0.54, `handle_websocket_upgrade`) makes an instance from config, server_state and app_state, calls
connection_made, passes the request's text to data_received, and makes the instance the transport's protocol.
"""

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from vidferry_gateway.clients.websocket import WebSocketConnection


class GatewayWebSocketProtocol(WebSocketConnection):
    """A client's WebSocket with the constructor that uvicorn calls."""

    __slots__ = ()

    def __init__(
        self,
        config: Config,  # noqa: ARG002 - uvicorn's hook
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's hook
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(cast("set[Any]", server_state.connections))
