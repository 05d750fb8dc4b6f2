"""The connections that one child asks its worker for: made by the broker, and handed over as open sockets."""

import asyncio
from collections.abc import Callable

from vidferry_common.contract.identity import site_at
from vidferry_worker.children import wire
from vidferry_worker.children.protocol import ConnectAnswer, ConnectRequest
from vidferry_worker.network.broker import Broker, ForbiddenAddress

MAX_CONNECTING = 64
MAX_SITES = 256
"""that are remembered of one child"""


class ChildConnections:
    """The connections of one child, and what they show of where it went."""

    def __init__(self, broker: Broker, send: Callable[[wire.Message, list[int] | None], None]) -> None:
        self._broker, self._send = broker, send
        self._lookups = broker.new_lookup_quota()
        self._connecting: set[asyncio.Task[None]] = set()
        self.was_forbidden = False
        """whether the last address that the child asked for is one that downloads may not reach"""
        self.sites: set[str] = set()
        """that the child was connected to"""
        self.were_requested = False
        """whether the child has asked for any connection yet"""

    def open_connection(self, request: ConnectRequest) -> None:
        self.were_requested = True
        if len(self._connecting) >= MAX_CONNECTING:
            self._send(ConnectAnswer(request.id, "too many connections at once").to_message(), None)
            return
        task = asyncio.create_task(self._connect_and_answer(request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def close(self) -> None:
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    async def _connect_and_answer(self, request: ConnectRequest) -> None:
        """Always answers: without an answer the child's thread would wait for ever."""
        connected = None
        try:
            connected = await self._broker.connect(request.host, request.port, request.timeout, self._lookups)
            answer = ConnectAnswer(request.id)
        except ForbiddenAddress as refusal:
            answer = ConnectAnswer(request.id, str(refusal), forbidden=True)
        except TimeoutError:
            answer = ConnectAnswer(request.id, "the connection timed out", timed_out=True)
        except OSError as error:
            answer = ConnectAnswer(request.id, f"could not connect: {error}")
        self.was_forbidden = answer.forbidden
        if connected is None:
            self._send(answer.to_message(), None)
            return
        if len(self.sites) < MAX_SITES:
            self.sites.add(site_at(request.host, request.port))
        with connected:
            self._send(answer.to_message(), [connected.fileno()])
