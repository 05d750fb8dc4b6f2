"""Jobs posted at once, with a Redis that puts each on disk before it answers; no worker takes them."""

import asyncio
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from support.redis_server import redis_server
from support.services import Api
from vidferry_common.store import RedisSettings, connect_redis

CLIENTS = 32
PARTS = 5


async def client(host: str, port: int, numbers: "asyncio.Queue[int]") -> None:
    """Posts until no number is left, on one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    while not numbers.empty():
        body = json.dumps({"url": f"https://example.com/watch/{numbers.get_nowait()}"}).encode()
        head = f"POST /api/download HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 202"), answer
        length = next(int(line.split(b":")[1]) for line in answer.lower().split(b"\r\n") if b"content-length" in line)
        await reader.readexactly(length)
    writer.close()


async def measure(count: int) -> tuple[list[float], float]:
    """POSTs a second in each part, and bytes of Redis a job."""
    bounds = {"queue_cap": str(count), "queue_bytes": str(count * 16384), "caller_rate": "0"}
    with (
        redis_server() as redis,
        TemporaryDirectory() as folder,
        Api(redis.url, Path(folder), log_level="warning", **bounds) as api,
    ):
        store = connect_redis(RedisSettings.model_validate({"redis_url": redis.url}))
        address, before, rates = urlsplit(api.url), (await store.info("memory"))["used_memory"], []
        for part in range(PARTS):
            numbers: asyncio.Queue[int] = asyncio.Queue()
            for number in range(count // PARTS):
                numbers.put_nowait(part * count + number)
            begun = time.perf_counter()
            await asyncio.gather(
                *(client(str(address.hostname), int(address.port or 0), numbers) for _ in range(CLIENTS))
            )
            rates.append(count / PARTS / (time.perf_counter() - begun))
        after = (await store.info("memory"))["used_memory"]
        await store.aclose(close_connection_pool=True)
    return rates, (after - before) / count


def rows(count: int) -> list[list[str]]:
    rates, size = asyncio.run(measure(count))
    each = " · ".join(f"{rate:.0f}" for rate in rates)
    return [[str(count), each, f"{rates[-1] / rates[0]:.2f}", f"{size:.0f}"]]
