"""uvicorn's HTTP protocol, but for one thing: bytes that came behind a handshake in its segment are not lost."""

import asyncio
import sys
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HandoverProtocol(HttpToolsProtocol):
    """uvicorn's `http=` class wherever GatewaySocket is its `ws=` class.

    uvicorn rebuilds the request's text from its headers for the WebSocket protocol, and drops the rest of the segment:
    a ping that a client sent at once is never answered.
    """

    _segment = b""

    def data_received(self, data: bytes) -> None:
        self._segment = data
        super().data_received(data)
        self._segment = b""

    def handle_websocket_upgrade(self) -> None:
        # Called where the parser's exception, which tells the place in the segment, is being handled.
        upgrade = sys.exc_info()[1]
        assert isinstance(upgrade, httptools.HttpParserUpgrade)
        rest = self._segment[upgrade.args[0] :]
        super().handle_websocket_upgrade()
        if rest:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(rest)
