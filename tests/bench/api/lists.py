"""How long a page of a long list takes, beside reading all records to find those of an owner."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import orjson

from support.records import new_job
from support.redis_server import redis_server
from support.services import Api
from vidferry_common.contract import keys
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.store import RedisSettings, connect_redis

_BATCH = 1000
_RARE = 20_000
"""one in so many jobs has failed"""
_PAGES: Mapping[str, tuple[dict[str, str], int]] = {
    "50 jobs, no filter": ({}, 400),
    "200 jobs, no filter": ({"page_size": "200"}, 100),
    f"failed, one in {_RARE:,}": ({"status": "failed"}, 200),
    "queued, of which there are none": ({"status": "queued"}, 50),
}
"""the parameters of a list, and how many pages are read at the most"""


def rows(count: int) -> list[list[str]]:
    """Pages of a list of so many ended jobs, and the alternative: their number, p50 and p99 in milliseconds."""
    with redis_server() as server, TemporaryDirectory() as folder:
        asyncio.run(_fill(server.url, count))
        with Api(server.url, Path(folder)) as api, httpx2.Client(base_url=api.url, timeout=60) as client:
            client.get("/api/jobs")
            measured = [[name, *read_pages(client, *asked)] for name, asked in _PAGES.items()]
        scanned = asyncio.run(_scan(server.url))
    return [*measured, ["without an index: SCAN, and a look at each record", "1", f"{scanned:,.0f}", "–"]]


async def _fill(url: str, count: int) -> None:
    redis = connect_redis(RedisSettings.model_validate({"redis_url": url}))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for first in range(0, count, _BATCH):
        pipe = redis.pipeline(transaction=False)
        for number in range(first, min(count, first + _BATCH)):
            created = format_timestamp(start + timedelta(seconds=number))
            job = new_job(f"https://www.youtube.com/watch?v={number:011}", created=created)
            status = "failed" if number % _RARE == _RARE // 2 else "completed"
            record = {
                "request": job.request, "created": created, "owner": "", "filed": f"{status} {job.site}",
                "state": _last_message(job, status, created), "object": "videos/youtube/x", "generation": "1",
            }  # fmt: skip
            pipe.hset(keys.JOB + job.job_id, mapping=record)
            pipe.zadd(keys.JOBS_BY_OWNER, {job.job_id: job.created_ms})
        await pipe.execute()
    await redis.aclose(close_connection_pool=True)


def _last_message(job: Any, status: str, created: str) -> bytes:
    data = {
        "job_id": job.job_id, "seq": 13, "status": status, "stage": "done", "timestamp": created, "progress": 100,
        "message": "Done", "attempt": 1, "downloaded_bytes": 1, "total_bytes": 1, "speed": None, "eta": None,
        "title": "A talk about distributed systems", "thumbnail": None, "retries": 0, "max_retries": 3,
        "retry_at": None, "result": {"title": "x" * 60, "url": f"https://media.example.org/files/{'x' * 200}"},
    }  # fmt: skip
    head = {"v": 1, "type": "status", "step": True, "cursor": f"{job.epoch}-13", "traceparent": job.traceparent}
    return orjson.dumps({**head, "data": {**data, **orjson.loads(b"{" + job.document + b"}")}})


def read_pages(client: httpx2.Client, parameters: dict[str, str], most: int, path: str = "/api/jobs") -> list[str]:
    """The number of pages that were read, and their p50 and p99 in milliseconds."""
    times: list[float] = []
    token = ""
    while len(times) < most and (token or not times):
        begun = time.perf_counter()
        answer = client.get(path, params={**parameters, "page_token": token})
        times.append(1000 * (time.perf_counter() - begun))
        assert answer.status_code == 200, answer.text
        token = answer.json()["next_page_token"]
    times.sort()
    return [str(len(times)), f"{times[len(times) // 2]:.1f}", f"{times[int(len(times) * 0.99)]:.1f}"]


async def _scan(url: str) -> float:
    """Milliseconds to find an owner's newest jobs without an index."""
    redis = connect_redis(RedisSettings.model_validate({"redis_url": url}))
    begun = time.perf_counter()
    found: list[tuple[bytes, list[bytes]]] = []
    cursor = 0
    while True:
        cursor, names = await redis.scan(cursor, match=f"{keys.JOB}*", count=_BATCH)
        pipe = redis.pipeline(transaction=False)
        for name in names:
            pipe.hmget(name, ["owner", "created"])
        found += zip(names, await pipe.execute(), strict=True)
        if not cursor:
            break
    newest = sorted(found, key=lambda each: each[1][1], reverse=True)[:50]
    assert len(newest) == 50
    await redis.aclose(close_connection_pool=True)
    return 1000 * (time.perf_counter() - begun)
