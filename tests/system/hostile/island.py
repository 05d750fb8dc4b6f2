"""A test's hold on an internet of its own with a worker in it (__main__.py runs there)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.tree import TESTS
from system.hostile.network import ENTER

MAX_BYTES = 8 * 1024**2
"""of a download, unless a worker is set otherwise"""


@dataclass(frozen=True)
class Result:
    """What a job came to."""

    state: dict[str, Any]
    hits: list[str]
    """address and port of each connection that reached a canary"""
    asked: list[str]
    marked: list[str]
    """where a canary's bytes are: files of the bucket, log, message"""
    why: str
    """what the log says of its failure"""
    most_bytes: int
    """that the work folder held at once"""
    running: bool
    bucket: list[str]

    @property
    def code(self) -> str | None:
        return self.state["error"]["code"] if self.state.get("error") else None


class Island:
    """A running one."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self._process = process
        self.home = home
        self.canary = home / "outside" / "canary.mp4"

    def attack(self, url: str, fmt: str = "1080-any") -> Result:
        return Result(**self.ask({"url": url, "fmt": fmt}))

    def ask(self, message: dict[str, Any] | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if message:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the island has sunk; what it wrote is above"
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def island(home: Path, **settings: str) -> Iterator[Island]:
    """With a worker of these settings."""
    given = {
        "egress_allow": "", "retries": "0", "max_bytes": str(MAX_BYTES), "extract_seconds": "15",
        "log_level": "debug", **settings,
    }  # fmt: skip
    process = subprocess.Popen(
        [*ENTER, sys.executable, "-m", "system.hostile", str(home), json.dumps(given)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = Island(process, home)
        found.ask()
        yield found
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
