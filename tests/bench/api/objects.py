"""How long a page of stored videos takes, and what the index of them takes of Redis."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from bench.api.lists import read_pages
from support.redis_server import redis_server
from support.services import Api
from vidferry_common.store import ObjectEntry, RedisSettings, Store, Walk, connect_redis

_RARE = 5_000
"""one in so many is of the rare site"""
_PAGES: dict[str, tuple[dict[str, str], int]] = {
    "50 objects, no filter": ({}, 400),
    "200 objects, no filter": ({"page_size": "200"}, 100),
    "of a site, one in two": ({"site": "youtube.com"}, 100),
    f"of a site, one in {_RARE:,}": ({"site": "example.org"}, 50),
    "a title that none has": ({"title_prefix": "zzz"}, 50),
}
"""the parameters of a list, and how many pages are read at the most"""


def rows(count: int) -> tuple[list[list[str]], int]:
    """Pages of a list of so many objects (their number, p50 and p99 in milliseconds), and bytes of Redis for each."""
    with redis_server() as server, TemporaryDirectory() as folder:
        size = asyncio.run(_fill(server.url, count))
        with Api(server.url, Path(folder)) as api, httpx2.Client(base_url=api.url, timeout=60) as client:
            client.get("/api/objects")
            return [[name, *read_pages(client, *asked, path="/api/objects")] for name, asked in _PAGES.items()], size


async def _fill(url: str, count: int) -> int:
    redis = connect_redis(RedisSettings.model_validate({"redis_url": url}))
    store = Store(redis, 3600)
    before = (await store.read_memory()).used
    walk = await store.object_index.begin_walk("bench", interval=0, hold=3600, leads=False)
    assert isinstance(walk, Walk)
    for first in range(0, count, 1000):
        entries = [_entry(number) for number in range(first, min(count, first + 1000))]
        await store.object_index.put_walked(walk, entries, 2**31, entries[-1].name, 3600, count)
    await store.object_index.end_walk(walk, 3600)
    used = (await store.read_memory()).used - before
    await redis.aclose(close_connection_pool=True)
    return used // count


def _entry(number: int) -> ObjectEntry:
    site = "example.org" if number % _RARE == _RARE // 2 else "youtube.com" if number % 2 else "vimeo.com"
    title = f"A talk about distributed systems, part {number}"
    return ObjectEntry(
        f"videos/youtube/youtube.com/{number:011}/1080-any", str(1_790_000_000_000_000 + number), 123_456_789,
        "video/mp4", f"{title}.mp4", title, 634.5, site, 1_790_000_000.123 + number, "", has_thumbnail=True,
    )  # fmt: skip
