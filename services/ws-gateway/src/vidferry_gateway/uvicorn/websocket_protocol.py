"""uvicorn's WebSocket protocol: what it makes of an upgraded connection when this is its `ws=` class.

uvicorn (0.54, `handle_websocket_upgrade`) builds it with config, server_state and app_state, calls connection_made,
hands it the request's text through data_received, and makes it the transport's protocol.
"""

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from vidferry_gateway.clients.websocket import WebSocketConnection


class GatewayWebSocketProtocol(WebSocketConnection):
    """A client's WebSocket, as uvicorn builds one."""

    __slots__ = ()

    def __init__(
        self,
        config: Config,  # noqa: ARG002 - uvicorn's hook
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's hook
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(cast("set[Any]", server_state.connections))
