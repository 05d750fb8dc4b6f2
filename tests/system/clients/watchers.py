"""The documented clients, each watching one job, with one face."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Page

from support.documents import block
from support.watchers import TIMEOUT

BASE, CAP, SILENCE = 0.1, 1.0, 4.0
"""seconds; the defaults are for people"""
MILLISECONDS = {"base": BASE * 1000, "cap": CAP * 1000, "silence": SILENCE * 1000}


class Watcher(Protocol):
    """A running client."""

    def wait_for_steps(self, count: int) -> None: ...

    def wait_for_end(self) -> None: ...

    def steps(self) -> list[float]:
        """The progress of each step that it was told."""

    def ends(self) -> int:
        """How often it was told the last message, and that it is over, whichever is more."""


class InBrowser:
    """Subclasses say what starts it, and where what it was told is found."""

    start = ""
    told = ""
    """an expression for the steps' states"""

    def __init__(
        self, page: Page, ws_url: str, options: Mapping[str, float] = MILLISECONDS, fresh_url: str = ""
    ) -> None:
        """fresh_url: what its renewUrl returns; without it, it has no renewUrl."""
        self._page = page
        page.evaluate(self.start, [ws_url, options, fresh_url])

    def wait_for_steps(self, count: int) -> None:
        self._page.wait_for_function(f"(count) => {self.told}.length >= count", arg=count, timeout=TIMEOUT * 1000)

    def wait_for_end(self) -> None:
        self._page.wait_for_function("() => window.ended > 0", timeout=TIMEOUT * 1000)

    def steps(self) -> list[float]:
        return list(self._page.evaluate(f"{self.told}.map((state) => state.progress)"))

    def ends(self) -> int:
        return int(
            self._page.evaluate(
                f"Math.max(window.ended, {self.told}.filter(({{status}}) => status === 'completed').length)"
            )
        )


class JavaScript(InBrowser):
    """The module by itself."""

    start = """async ([url, options, fresh]) => {
      const { watchJob } = await import("./progress.js");
      window.messages = [];
      window.ended = 0;
      watchJob(url, {
        ...options,
        renewUrl: fresh ? async () => fresh : undefined,
        onMessage: (message) => window.messages.push(message),
        onState: (state) => { window.ended += state === "ended"; },
      });
    }"""
    told = "window.messages.filter(({ step }) => step).map(({ data }) => data)"


class React(InBrowser):
    """The hook in a component, in strict mode: mounted, unmounted and mounted again."""

    start = """async ([url, given, fresh]) => {
      const options = { ...given, renewUrl: fresh ? async () => fresh : undefined };
      const { useDownloadProgress } = await import("./use-download-progress.js");
      window.known = { steps: [] };
      window.ended = 0;
      function Probe() {
        const known = useDownloadProgress(url, options);
        React.useEffect(() => { window.known = known; });
        React.useEffect(() => { window.ended += known.connection === "ended"; }, [known.connection]);
        return null;
      }
      const root = ReactDOM.createRoot(document.querySelector("div"));
      root.render(React.createElement(React.StrictMode, null, React.createElement(Probe)));
    }"""
    told = "window.known.steps"


DRIVER = f"""
import asyncio, json, sys
from watch import watch
async def renew_url():
    return sys.argv[2]
last = asyncio.run(watch(sys.argv[1], lambda message: print(json.dumps(message), flush=True),
                         renew_url=renew_url if sys.argv[2:] else None,
                         base={BASE}, cap={CAP}, silence={SILENCE}))
print(json.dumps({{"end": last}}), flush=True)
"""


class Python:
    """The documented program's function, in a process of its own."""

    def __init__(self, folder: Path, ws_url: str, fresh_url: str = "", *, driver: str = DRIVER) -> None:
        (folder / "watch.py").write_text(block("clients.md", "python", "async def watch"))
        command = [sys.executable, "-c", driver] if driver else [sys.executable, "watch.py"]
        self.process = subprocess.Popen(
            [*command, *filter(None, (ws_url, fresh_url))], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(folder)},
        )  # fmt: skip
        self.lines: list[dict[str, Any]] = []
        self._over = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def wait_for_steps(self, count: int) -> None:
        with self._news:
            self._news.wait_for(lambda: len(self.steps()) >= count or self._over, TIMEOUT)
        assert len(self.steps()) >= count, self.lines

    def wait_for_end(self) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self._over, TIMEOUT), self.lines
        self.process.wait(TIMEOUT)

    def steps(self) -> list[float]:
        return [line["data"]["progress"] for line in self.lines if line.get("step")]

    def ends(self) -> int:
        told = [line for line in self.lines if line.get("data", {}).get("status") == "completed"]
        over = [line for line in self.lines if "end" in line]
        return max(len(told), len(over))

    def close(self) -> str:
        """What it said on stderr."""
        self.process.kill()
        self._reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout, self.process.stderr:
            return self.process.stderr.read()


def documented_module(folder: Path) -> Any:
    """The documented program, in this process."""
    path = folder / "watch.py"
    path.write_text(block("clients.md", "python", "async def watch"))
    spec = importlib.util.spec_from_file_location("documented_watch", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
