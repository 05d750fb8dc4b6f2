"""Vidferry's services, each a process of its own: the api, the gateway, the worker, and all of them by `make up`."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any, ClassVar, Self

import httpx2

from support.ffmpeg import path_with_ffmpeg
from support.ports import free_port
from support.scrape import Admin
from support.watchers import Watcher

SECONDS = 60.0
"""for what has no promised time: the machine may be busy with other tests"""
START_SECONDS = 180.0
"""until a service is ready: several may start at once, on a machine that is busy"""
KEY = "k" * 32
ALL_SLOTS = {"site_share": "1", "caller_share": "1"}
"""to one site and one caller, since tests and measurements have no more"""


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings, such as `public_url`, as variables of the environment."""
    return {f"VIDFERRY_{name.upper()}": value for name, value in settings.items()}


class ServiceProcess:
    """A service as a process of its own. Its log is kept, entry by entry."""

    module: ClassVar[str]
    ready: ClassVar[str] = "/readyz"
    """what is logged, or the path that answers, once it is ready"""

    def __init__(self, settings: Mapping[str, str], environment: Mapping[str, str] | None, python: Path | None) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")}
        self.environment = {**inherited, **variables({"admin_port": "0", **settings}), **(environment or {})}
        self.command = [str(python or sys.executable), "-m", self.module]
        self._lines: list[str] = []
        self._entries: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def start(self, until: str = "") -> Self:
        """Returns when it has logged that, or when that path answers 200: by default, when it is ready."""
        until = until or self.ready
        count = len(self.logged(until)) + 1
        self._log_ended = False
        self.process = subprocess.Popen(
            self.command, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        try:
            if until.startswith("/"):
                self.wait_until(lambda: self.status(until) == 200, START_SECONDS)
            else:
                self.wait_for(until, count, START_SECONDS)
        except BaseException:
            self.close()
            raise
        return self

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                if line.startswith("{"):
                    self._entries.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._log_ended = True
            self._news.notify_all()

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def logged(self, message: str = "", **fields: object) -> list[dict[str, Any]]:
        """The entries so far whose message begins so, and that have these fields."""
        with self._news:
            return [
                entry for entry in self._entries
                if entry["message"].startswith(message) and fields.items() <= entry.items()
            ]  # fmt: skip

    def wait_for(
        self, message: str = "", count: int = 1, seconds: float = SECONDS, **fields: object
    ) -> list[dict[str, Any]]:
        """Such entries, when there are so many."""
        with self._news:
            self._news.wait_for(lambda: len(self.logged(message, **fields)) >= count or self._log_ended, seconds)
            found = self.logged(message, **fields)
            assert len(found) >= count, f"not logged: {message} {fields}\n{self.log}"
            return found

    def wait_until(self, condition: Callable[[], object], seconds: float = SECONDS) -> None:
        """Asks until the condition holds; AssertionError where the process ends first."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"{self.module} ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"not in {seconds} s:\n{self.log}"
            time.sleep(0.02)

    @property
    def port(self) -> int:
        return int(self.environment["VIDFERRY_PORT"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> Admin:
        return Admin(int(self.environment["VIDFERRY_ADMIN_PORT"]))

    @property
    def pid(self) -> int:
        return self.process.pid

    def status(self, path: str) -> int:
        """What a GET is answered with; 0 where nothing answers."""
        with contextlib.suppress(httpx2.TransportError):
            # Reading the certificates of authorities takes 30 ms a client, and nothing here is HTTPS.
            return httpx2.get(self.url + path, timeout=5, verify=False).status_code
        return 0

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def terminate(self) -> None:
        self.signal(SIGTERM)

    def wait(self) -> int:
        """Its exit status."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def stop(self, number: Signals = SIGTERM) -> int:
        """Ends it as an orchestrator does; its exit status."""
        self.signal(number)
        return self.wait()

    def kill(self) -> None:
        self.stop(SIGKILL)

    def close(self) -> None:
        """Kills it where it has not ended by itself."""
        if not self._log_ended:
            self.process.kill()
        self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()


class Api(ServiceProcess):
    """`python -m vidferry_api` on a free port, with a folder as the bucket."""

    module = "vidferry_api"

    def __init__(
        self,
        redis_url: str,
        bucket: Path,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        /,
        **settings: str,
    ) -> None:
        given = {
            "redis_url": redis_url, "bucket": f"file://{bucket}", "signing_key": KEY,
            "host": "127.0.0.1", "port": str(free_port()),
        }  # fmt: skip
        super().__init__({**given, **settings}, environment, python)


class Gateway(ServiceProcess):
    """`python -m vidferry_gateway` on a port that the kernel chooses."""

    module = "vidferry_gateway"
    ready = "listening"

    def __init__(
        self,
        redis_url: str,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        /,
        **settings: str,
    ) -> None:
        given = {
            "redis_url": redis_url, "gateway_host": "127.0.0.1", "gateway_port": "0", "log_level": "debug",
            # No test but those of the drain waits for load balancers.
            "gateway_settle_seconds": "0",
        }  # fmt: skip
        super().__init__({**given, **settings}, environment, python)

    @property
    def port(self) -> int:
        return int(self.logged("listening")[-1]["port"])

    def uri(self, job_id: str, query: str = "", prefix: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{prefix}/ws/download/{job_id}{query}"

    async def connected(self, count: int = 1) -> None:
        """Until it has found Redis for the count-th time."""
        await asyncio.to_thread(self.wait_for, "connected to Redis", count)

    @property
    def sees_redis(self) -> bool:
        """Whether it is connected to Redis, as its log says."""
        told = [entry["message"] for entry in self.logged()]
        told = [message for message in told if message.startswith(("connected to Redis", "Redis is away"))]
        return told[-1:] == ["connected to Redis"]


class Worker(ServiceProcess):
    """`python -m vidferry_worker`, with a folder as the bucket."""

    module = "vidferry_worker"
    ready = "worker ready"

    def __init__(
        self,
        redis_url: str,
        home: Path,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        /,
        **settings: str,
    ) -> None:
        self.folder = Path(settings.get("worker_folder", home / "work"))
        (home / "bucket").mkdir(parents=True, exist_ok=True)
        given = {
            "redis_url": redis_url, "bucket": f"file://{home}/bucket", "signing_key": KEY,
            "worker_folder": str(self.folder), "egress_allow": "127.0.0.0/8", "retry_delay": "0.1",
            "log_level": "debug", **ALL_SLOTS,
        }  # fmt: skip
        super().__init__({**given, **settings}, {"PATH": path_with_ffmpeg(), **(environment or {})}, python)

    def left(self) -> list[Path]:
        """What is in its folder, besides the folders and locks of running workers."""
        return sorted(self.folder.glob("*/*")) if self.folder.exists() else []


class MakeUp(ServiceProcess):
    """The supervisor of `make up`, on a free port and a folder of its own."""

    module = "vidferry_local"

    def __init__(self, environment: Mapping[str, str] | None = None, /, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vidferry-up-")
        self.data = Path(self._folder.name) / "data"
        given = {
            "port": str(free_port()), "data": str(self.data), "log_level": "debug", "egress_allow": "127.0.0.0/8",
            "retry_delay": "0.1", "site_share": "1",
        }  # fmt: skip
        super().__init__({**given, **settings}, {"PATH": path_with_ffmpeg(), **(environment or {})}, None)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def stop(self, number: Signals = SIGINT) -> int:
        """As Ctrl-C does."""
        return super().stop(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        else:
            self.wait()
        self._folder.cleanup()

    def post(self, url: str, *, force: bool = False, **fmt: str) -> dict[str, Any]:
        """The answer to a POST that must be accepted."""
        body: dict[str, Any] = {"url": url, **({"format": fmt} if fmt else {}), **({"force": True} if force else {})}
        response = httpx2.post(f"{self.url}/api/download", json=body, timeout=20, verify=False)
        assert response.status_code == 202, response.text
        return dict(response.json())

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return httpx2.get(path if path.startswith("http") else self.url + path, timeout=20, verify=False, **options)

    def follow(self, job: Mapping[str, Any], after: str = "") -> Watcher:
        """Watches a job from now on."""
        return Watcher(job["ws_url"] + (f"?after={after}" if after else ""))

    def watch(self, job: Mapping[str, Any], after: str = "") -> Watcher:
        """Watches a job to the close."""
        return self.follow(job, after).closed()

    def run(self, url: str, *, force: bool = False, **fmt: str) -> Watcher:
        """Posts a job and watches it to the close."""
        return self.watch(self.post(url, force=force, **fmt))
