"""What a child reports of its download, as the steps and the progress that watchers are told."""

import time

from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.contract.stages import Stage
from vidferry_worker.attempt.conversion import Conversion
from vidferry_worker.attempt.progress import Pace, Transfer
from vidferry_worker.attempt.stall import Stall
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Converting, Done, Progress, Report, Waiting
from vidferry_worker.metrics import Rise, WorkerMetrics
from vidferry_worker.settings import WorkerSettings

PAUSED = "The site asks for a pause"
ALL_QUARTERS = len(stages.DOWNLOAD_QUARTERS)


class DownloadTracker:
    """How far one download is, from its first byte to its finished file.

    JobFailure where it has too many bytes, or is too slow.
    """

    def __init__(
        self, state: AttemptState, extraction: Extraction, settings: WorkerSettings, metrics: WorkerMetrics
    ) -> None:
        self._state, self._max_bytes, self._metrics = state, settings.max_bytes, metrics
        self._transfer, self._conversion = Transfer(extraction.streams), Conversion()
        self._stall = Stall(settings.stall_seconds)
        self._pace = Pace(settings.min_rate, settings.min_rate_seconds, time.monotonic())
        self._downloaded = Rise()
        self._quarters = 0
        """that were told"""

    def take_report(self, report: Report | None) -> None:
        """Takes what the child tells next; None stands for silence."""
        match report:
            case Progress():
                self._take_progress(report)
            case Converting():
                self._conversion.update(report, time.monotonic())
                self._tell_conversion()
            case Waiting():
                self._pace.wait(self._stall.wait(report))
                self._tell_pause()
            case Done():
                self._tell_quarters(ALL_QUARTERS)
                self._state.enter_step(stages.DOWNLOADED)
                return
            case None:
                self._tell_silence()
        self._check_speed()

    def _check_speed(self) -> None:
        is_too_slow = self._pace.is_too_slow(self._transfer.downloaded, time.monotonic())
        if (is_too_slow or self._stall.is_over) and not self._transfer.complete:
            raise JobFailure(ErrorCode.STALLED)

    def _take_progress(self, report: Progress) -> None:
        before = self._transfer.downloaded
        self._transfer.update(report, time.monotonic())
        if self._transfer.downloaded != before:
            self._stall.move()
        self._tell_transfer()

    def _tell_transfer(self) -> None:
        """The steps that were reached, then how far beyond the last of them the download is."""
        transfer, now, told = self._transfer, time.monotonic(), self._quarters
        self._metrics.downloaded.add(by=self._downloaded.to(transfer.downloaded))
        if transfer.downloaded > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        self._state.add_facts(
            downloaded_bytes=transfer.downloaded,
            total_bytes=transfer.total,
            speed=transfer.speed(now),
            eta=transfer.eta(now),
            retry_at=None,
        )
        self._tell_quarters(transfer.quarters)
        shown = self._state.current.progress
        progress = max(shown, transfer.progress)
        if not transfer.complete and (self._quarters == told or progress > shown):
            self._state.show_progress(progress=progress, message=stages.DOWNLOAD_QUARTERS[0].message)

    def _tell_quarters(self, reached: int) -> None:
        """Every step of the download that was not told yet, and merging after the last."""
        for step in stages.DOWNLOAD_QUARTERS[self._quarters : reached]:
            self._state.enter_step(step)
        if self._quarters < reached == ALL_QUARTERS:
            self._state.enter_step(stages.MERGING, speed=None, eta=None)
        self._quarters = max(self._quarters, reached)

    def _tell_silence(self) -> None:
        """That nothing comes any more, if something did, and why, if the site asked for it."""
        if self._state.current.speed:
            self._tell_transfer()
        self._tell_pause()

    def _tell_pause(self) -> None:
        """That the site asked for a pause in the middle of the download, while it lasts."""
        ends = self._stall.pause_ends
        if ends and self._state.current.retry_at is None:
            self._state.show_progress(message=PAUSED, speed=None, eta=None, retry_at=format_timestamp(ends))

    def _tell_conversion(self) -> None:
        """That ffmpeg still works, once all is here."""
        current, conversion = self._state.current, self._conversion
        if current.stage is Stage.MERGING:
            progress = max(current.progress, conversion.progress)
            self._state.show_progress(progress=progress, eta=conversion.eta(time.monotonic()))
