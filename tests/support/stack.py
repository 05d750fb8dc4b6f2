"""All of Vidferry as a person runs it: the supervisor of `make up`, on a free port and a folder of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from support.ffmpeg import path_with_ffmpeg
from support.ports import free_port
from vidferry_common.contract.stages import NEW_VIDEO, STORED_VIDEO

STEPS = {(step.stage.value, step.progress) for step in (*NEW_VIDEO, *STORED_VIDEO)}
READY_SECONDS = 60
"""for the start on a busy machine"""
END_SECONDS = 60
"""for one job"""


@dataclass
class Watched:
    """What a socket was sent."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None

    @property
    def data(self) -> list[dict[str, Any]]:
        return [message["data"] for message in self.messages]

    @property
    def last(self) -> dict[str, Any]:
        return self.data[-1]

    @property
    def steps(self) -> list[float]:
        """The progress of each step, once; what is told between two steps is left out."""
        shown = [data["progress"] for data in self.data if (data["stage"], data["progress"]) in STEPS]
        return [value for index, value in enumerate(shown) if index == 0 or shown[index - 1] != value]


class Stack:
    """The running product."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vidferry-up-")
        self.data = Path(self._folder.name) / "data"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._log = Path(self._folder.name) / "log"
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VIDFERRY_")},
            "PATH": path_with_ffmpeg(),
            "VIDFERRY_PORT": str(self.port),
            "VIDFERRY_DATA": str(self.data),
            "VIDFERRY_LOG_LEVEL": "debug",
            "VIDFERRY_EGRESS_ALLOW": "127.0.0.0/8",
            "VIDFERRY_RETRY_DELAY": "0.1",
            "VIDFERRY_SITE_SHARE": "1",
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> Self:
        """Returns when /readyz answers 200."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vidferry_local"],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.wait_for(self._ready, READY_SECONDS)
        return self

    def wait_for(self, condition: Any, timeout: float = 20) -> None:
        """Asks until the condition holds; AssertionError with the log where it never does."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, f"vidferry_local ended with {self.process.returncode}:\n{self.log}"
            assert time.monotonic() < deadline, f"not in {timeout} s:\n{self.log}"
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C does; the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(40)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self._folder.cleanup()

    def post(self, url: str, *, force: bool = False, **fmt: str) -> dict[str, Any]:
        """The answer to a POST that must be accepted."""
        body: dict[str, Any] = {"url": url, **({"format": fmt} if fmt else {}), **({"force": True} if force else {})}
        response = httpx2.post(f"{self.url}/api/download", json=body, timeout=20, verify=False)
        assert response.status_code == 202, response.text
        return dict(response.json())

    def get(self, path: str, **options: Any) -> httpx2.Response:
        url = path if path.startswith("http") else self.url + path
        # Reading the certificates of authorities takes 30 ms a client, and nothing here is HTTPS.
        return httpx2.get(url, timeout=20, verify=False, **options)

    def socket(self, job: Mapping[str, Any], after: str = "") -> ClientConnection:
        return connect(job["ws_url"] + (f"?after={after}" if after else ""), open_timeout=20)

    def watch(self, job: Mapping[str, Any], after: str = "") -> Watched:
        """Everything a socket is sent, to its close."""
        with self.socket(job, after) as ws:
            return drain(ws)

    def run(self, url: str, *, force: bool = False, **fmt: str) -> Watched:
        """A job from POST to end."""
        return self.watch(self.post(url, force=force, **fmt))

    def _ready(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return self.get("/readyz").status_code == 200
        return False


def drain(ws: ClientConnection) -> Watched:
    """What follows on a socket, to its close."""
    watched = Watched()
    deadline = time.monotonic() + END_SECONDS
    try:
        while True:
            watched.messages.append(json.loads(ws.recv(timeout=max(deadline - time.monotonic(), 0.01))))
    except ConnectionClosed as closed:
        watched.close_code = closed.rcvd.code if closed.rcvd else None
    return watched


def read_until(ws: ClientConnection, stage: str, progress: float = 0) -> list[dict[str, Any]]:
    """Messages up to the first of that stage with at least that progress."""
    messages = []
    while True:
        messages.append(json.loads(ws.recv(timeout=END_SECONDS)))
        data = messages[-1]["data"]
        if data["stage"] == stage and data["progress"] >= progress:
            return messages


@contextlib.contextmanager
def running(**env: str) -> Iterator[Stack]:
    """A stack, ended with all its processes and files afterwards."""
    stack = Stack(env)
    try:
        yield stack.start()
    finally:
        stack.close()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
