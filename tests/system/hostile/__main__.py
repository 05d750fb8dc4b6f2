"""In the namespace: resolver, origin and canaries, a Redis and a worker; jobs by JSON lines on standard input.

Arguments: a folder, and the worker's settings as JSON; `guards: off` among them takes a worker without any, and
`impersonate` one whose children request everything as that browser.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from support.jobs import Jobs, jobs_in
from support.redis_server import redis_server
from support.services import Worker
from system.hostile import network
from system.hostile.listeners import Listeners
from system.hostile.names import Names
from system.hostile.pages import MARK, canary_clip

PYTHON = f"""#!{sys.executable}
import runpy, sys
arguments, sys.executable = sys.argv[1:], __file__
sys.argv = arguments[arguments.index("-m") + 1:]
"""
RUN = """
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
IMPERSONATING = """
if sys.argv[0].endswith("zygote"):
    from vidferry_worker.child import preload
    load = preload.load_downloader
    def load_and_impersonate():
        load()
        preload.loaded_downloader().impersonate_always({target!r})
    preload.load_downloader = load_and_impersonate
"""
GUARDS_OFF = """
if sys.argv[0].endswith("zygote"):
    import requests.sessions
    from vidferry_worker.child import content_sniff, page_limits as limits, request_limits, stream_checks
    from vidferry_worker.child.patches import ffmpeg_downloads, hls_playlists, page_limits, subprocesses
    subprocesses.GUARD = ()
    content_sniff.is_text_file = lambda path: False
    request_limits.limit_read = lambda read: read
    request_limits.SCHEMES = {"http", "https", "ftp", "data", "file", "tcp", "rtmp", "rtsp", "ws"}
    stream_checks.NATIVE_PROTOCOLS |= {"ftp", "rtmp", "rtsp"}
    ffmpeg_downloads.install = lambda: None
    hls_playlists.install = lambda: None
    page_limits.install = limits.check_video_count = lambda *_: None
    requests.sessions.DEFAULT_REDIRECT_LIMIT = 10**6
else:
    from vidferry_worker.upload import file_types
    file_types.make_file_name = lambda title, extension: title + "." + extension
"""


class Island:
    """The worker, and what it is set upon."""

    def __init__(self, home: Path, worker: Worker, jobs: Jobs, listeners: Listeners, names: Names) -> None:
        self._home, self._worker, self._jobs = home, worker, jobs
        self._listeners, self._names = listeners, names
        self._logged = 0
        self._most = 0

    async def attack(self, url: str, fmt: str) -> dict[str, Any]:
        """What one job came to, and who was reached by it."""
        self._names.forget()
        self._listeners.hits.clear()
        self._listeners.asked.clear()
        self._most = 0
        measuring = asyncio.create_task(self._measure())
        job = await self._jobs.give(url, fmt)
        state = await self._jobs.end(job)
        measuring.cancel()
        await self._cleared()
        await self._logged_end()
        log, self._logged = self._worker.log[self._logged :], len(self._worker.log)
        told = json.dumps([state, await self._jobs.history(job)])
        return {
            "state": state,
            "hits": self._listeners.hits,
            "asked": self._listeners.asked,
            "marked": self._marked(log, told),
            "why": self._why(log),
            "most_bytes": self._most,
            "running": self._worker.process.poll() is None,
            "bucket": sorted(str(path.relative_to(self._home / "bucket")) for path in self._stored()),
        }

    def _stored(self) -> list[Path]:
        return [path for path in (self._home / "bucket").rglob("*") if path.is_file()]

    def _marked(self, log: str, told: str) -> list[str]:
        """Where a canary's bytes are."""
        found = [str(path.name) for path in self._stored() if MARK in path.read_bytes()]
        return found + [name for name, text in (("log", log), ("message", told)) if MARK.decode() in text]

    @staticmethod
    def _why(log: str) -> str:
        """What the worker's log says of the failure."""
        entries = [json.loads(line) for line in log.splitlines() if '"attempt failed"' in line]
        return str(entries[-1].get("detail", "")) if entries else ""

    async def _measure(self) -> None:
        while True:
            sizes = [path.stat().st_size for path in self._worker.folder.rglob("*") if path.is_file()]
            self._most = max(self._most, sum(sizes))
            await asyncio.sleep(0.01)

    async def _logged_end(self) -> None:
        """Until the log tells of the job's end, which Redis may have told sooner."""
        async with asyncio.timeout(20):
            while not re.search('"(attempt failed|download ended)', self._worker.log[self._logged :]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _cleared(self) -> None:
        async with asyncio.timeout(20):
            while [path for path in self._worker.left() if path.is_dir()]:  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.01)


async def main(home: Path, settings: dict[str, str]) -> None:
    network.own_everything()
    network.ask("127.0.0.1", home)
    canary = home / "outside" / "canary.mp4"
    canary.parent.mkdir()
    canary.write_bytes(canary_clip())
    listeners, names = Listeners(), Names()
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, ("0.0.0.0", 53))
    await listeners.start()
    python = _changed_python(home, GUARDS_OFF) if settings.pop("guards", "on") == "off" else None
    if target := settings.pop("impersonate", ""):
        python = _changed_python(home, IMPERSONATING.format(target=target))
    with redis_server() as redis, Worker(redis.url, home, None, python, **settings) as worker:
        async with jobs_in(redis) as jobs:
            island = Island(home, worker, jobs, listeners, names)
            print(json.dumps({"ready": True}), flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                print(json.dumps(await island.attack(**json.loads(line))), flush=True)


def _changed_python(home: Path, change: str) -> Path:
    """A Python whose worker and zygote are changed before they run."""
    python = home / "python"
    python.write_text(PYTHON + change + RUN)
    python.chmod(0o755)
    return python


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
