"""Sends the progress of a download's streams to the worker, at most ten times a second."""

import threading
import time
from collections.abc import Callable

from vidferry_worker.children.protocol import Progress

INTERVAL = 0.1
"""seconds"""


class ProgressReporter:
    """Sends the newest report of each stream. A thread does so: a download that stalls would not send its last one."""

    def __init__(self, tell: Callable[[Progress], None]) -> None:
        self._tell = tell
        self._newest: dict[int, Progress] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        threading.Thread(target=self._send_reports, name="reports", daemon=True).start()

    def update(self, report: Progress) -> None:
        """Replaces the unsent report of the same stream."""
        with self._lock:
            self._newest[report.stream] = report
        self._changed.set()

    def flush(self) -> None:
        """Sends the unsent reports now."""
        with self._lock:
            pending, self._newest = self._newest, {}
            for report in pending.values():
                self._tell(report)

    def _send_reports(self) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            self.flush()
            time.sleep(INTERVAL)
