"""A real Prometheus: the one on the PATH, else Debian's, unpacked under .cache and not installed."""

import fcntl
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support import tree
from support.ports import free_port

CACHE = tree.CACHE / "prometheus"
START_SECONDS = 60.0


@cache
def program(name: str = "prometheus") -> str:
    """Its path; RuntimeError where it can't be had."""
    unpacked = CACHE / "usr" / "bin" / name
    if found := shutil.which(name):
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second of two test processes waits, and finds it there
        if not unpacked.exists():
            _bring()
    return str(unpacked)


def _bring() -> None:
    if os.geteuid() == 0:  # a bare machine has no lists yet
        _run("apt-get", "-qq", "update")
    _run("apt-get", "-qq", "download", "prometheus")
    for package in CACHE.glob("prometheus_*.deb"):
        _run("dpkg", "-x", str(package), ".")
        package.unlink()


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"Install Prometheus, or run apt-get update first: {' '.join(command)} said {done.stderr.strip()}"
        raise RuntimeError(msg)


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What the expression gives now."""
        question = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = self._ask(f"query?{question}")["result"]
        return result

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Those of the last hour, of all series that the expression selects."""
        now = time.time()
        question = urllib.parse.urlencode({"query": expression, "start": now - 3600, "end": now + 60})
        return [each for series in self._ask(f"query_exemplars?{question}") for each in series["exemplars"]]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, as they were evaluated last."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Those that fire."""
        return [alert for alert in self._ask("alerts")["alerts"] if alert["state"] == "firing"]

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=20) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, int], rules: Path | None = None) -> Iterator[Prometheus]:
    """Scrapes these ports twice a second, as it would scrape pods of these names; ready when it has seen all.

    The rules are evaluated each second.
    """
    port = free_port()
    jobs = [
        {"targets": [f"127.0.0.1:{target}"], "labels": {"namespace": "media", "pod": f"{name}-0"}}
        for name, target in targets.items()
    ]
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [{"job_name": "vidferry", "static_configs": jobs}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program(), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        server, deadline = Prometheus(port), time.monotonic() + START_SECONDS
        while not _sees(server, len(targets)):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _sees(server: Prometheus, count: int) -> bool:
    try:
        return len(server.query("up == 1")) == count
    except OSError:
        return False
