"""Jobs as the product makes them, and the command that tells one of them something: the product's own script."""

import asyncio
import time
from dataclasses import dataclass

import hiredis

from support.jobs import Job, redis_client
from support.redis_server import RedisServer
from vidferry_common.contract import keys
from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status
from vidferry_common.store import Store
from vidferry_common.store.scripts import script_text

MARK = b'"message":"@'
"""what stands before a message's time, in nanoseconds of the monotonic clock, which all processes share"""
_STAMP = "@" + "0" * 20
REPLAYED = 4
"""steps that a job has behind it when it is watched"""


@dataclass(frozen=True, slots=True)
class Published:
    """All that a publisher needs."""

    socket_path: str
    commands: list[tuple[bytes, bytes]]
    """of each job: the bytes before and after the time"""

    def command(self, job: int) -> bytes:
        before, after = self.commands[job]
        return b"%b%020d%b" % (before, time.monotonic_ns(), after)


async def make(server: RedisServer, count: int, traceparent: str = "") -> tuple[list[Job], Published]:
    """Running jobs with some history. traceparent: of all of them, where their traces count."""
    async with redis_client(server) as client:
        store = Store(client, 3600)
        jobs: list[Job] = []
        for _ in range(0, count, 50):
            jobs += await asyncio.gather(
                *(Job.create(store, traceparent=traceparent) for _ in range(min(50, count - len(jobs))))
            )
        for first in range(0, count, 50):
            await asyncio.gather(*(job.steps(0, REPLAYED) for job in jobs[first : first + 50]))
        sha = await client.script_load(script_text("publish"))
        return jobs, Published(str(server.socket_path), [_command(sha, job) for job in jobs])


FIVE_CALLS = """
local fence = redis.call('HMGET', KEYS[1], 'status', 'attempt')
local job_id = redis.call('SMEMBERS', KEYS[1] .. ':jobs')[1]
local seq = redis.call('HMGET', 'vidferry:job:' .. job_id, 'seq', 'ended')[1]
redis.call('HSET', 'vidferry:job:' .. job_id, 'seq', seq, 'state', ARGV[2])
redis.call('PUBLISH', 'websocket:' .. job_id, ARGV[2])
return { job_id }
"""
"""The least that a script does which looks at the fence, and keeps and publishes what it is given."""


async def named(server: RedisServer, published: Published, script: str) -> Published:
    """The same commands, for another script."""
    async with redis_client(server) as client:
        sha = (await client.script_load(script)).encode()
    at = published.commands[0][0].index(b"$40\r\n") + 5
    commands = [(before[:at] + sha + before[at + len(sha) :], after) for before, after in published.commands]
    return Published(published.socket_path, commands)


def body() -> bytes:
    """Progress of a usual size."""
    update = Update(
        Status.PROCESSING, Stage.DOWNLOADING, 42.57, _STAMP, 1, title="A video with a title of a usual length, part 7",
        has_thumbnail=True, downloaded_bytes=123_456_789, total_bytes=987_654_321, speed=5_242_880.5, eta=164.8,
    )  # fmt: skip
    return update.body()


def _command(sha: str, job: Job) -> tuple[bytes, bytes]:
    words = ("EVALSHA", sha, "1", keys.DOWNLOAD + job.claim.download_id, "1", body(), "", "3600")
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # the stub allows a tuple of one
    before, after = packed.split(b"@" + b"0" * 20)
    return before + b"@", after
