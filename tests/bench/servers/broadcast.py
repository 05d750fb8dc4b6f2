"""websockets' own server and `broadcast`, with one Redis subscription for all: the best that its documentation offers.

It sends no history and no state, and bounds nothing.
"""

import asyncio
import sys

from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, broadcast, serve

from vidferry_common.contract.keys import CHANNEL

watchers: dict[bytes, set[ServerConnection]] = {}


async def main() -> None:
    redis = Redis(unix_socket_path=sys.argv[1])
    pubsub = redis.pubsub()
    await pubsub.subscribe("nothing")
    news = asyncio.ensure_future(forward(pubsub))

    async def watch(socket: ServerConnection) -> None:
        assert socket.request is not None
        channel = (CHANNEL + socket.request.path.rpartition("/")[2]).encode()
        if channel not in watchers:
            watchers[channel] = set()
            await pubsub.subscribe(channel)
        watchers[channel].add(socket)
        try:
            await socket.wait_closed()
        finally:
            watchers[channel].discard(socket)

    async with serve(watch, "127.0.0.1", 0, compression=None, ping_interval=25) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await news


async def forward(pubsub: object) -> None:
    async for message in pubsub.listen():  # type: ignore[attr-defined]
        if message["type"] == "message":
            broadcast(watchers[message["channel"]], message["data"].decode())


if __name__ == "__main__":
    asyncio.run(main())
