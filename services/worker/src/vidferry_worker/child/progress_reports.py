"""What a download has got so far, told ten times a second at most, and never left untold."""

import threading
import time
from collections.abc import Callable

from vidferry_worker.children.protocol import Progress

INTERVAL = 0.1
"""seconds"""


class Reports:
    """The newest report of each stream. A thread sends them: a download that stands still tells nothing by itself."""

    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self._tell = tell
        self._newest: dict[int, Progress] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        threading.Thread(target=self._run, name="reports", daemon=True).start()

    def put(self, report: Progress) -> None:
        """Replaces what is not yet told of its stream."""
        with self._lock:
            self._newest[report.stream] = report
        self._changed.set()

    def flush(self) -> None:
        """Tells what is not yet told."""
        with self._lock:
            pending, self._newest = self._newest, {}
            for report in pending.values():
                self._tell(report)

    def _run(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            self.flush()
            time.sleep(INTERVAL)
