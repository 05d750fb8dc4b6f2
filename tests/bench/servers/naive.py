"""What is written first: FastAPI's WebSocket, and for each a Redis subscription that a thread waits for."""

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from redis import Redis
from redis.client import PubSub

from vidferry_common.contract.keys import CHANNEL

app = FastAPI()


@app.websocket("/ws/download/{job_id}")
async def watch(websocket: WebSocket, job_id: str) -> None:
    await websocket.accept()
    loop = asyncio.get_running_loop()
    pubsub: PubSub = Redis(unix_socket_path=sys.argv[1]).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    await loop.run_in_executor(None, pubsub.subscribe, CHANNEL + job_id)
    while True:
        message = await loop.run_in_executor(None, pubsub.get_message, True, 1.0)
        if message is not None:
            await websocket.send_text(message["data"].decode())


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listener])
