"""Turns the reports of a child into the steps and the progress that watchers see."""

import time

from vidferry_common.contract import stages
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_common.contract.messages import format_timestamp
from vidferry_common.contract.stages import Stage
from vidferry_worker.attempt.conversion import ConversionProgress
from vidferry_worker.attempt.progress import DownloadProgress
from vidferry_worker.attempt.stall import RateCheck, StallDetector
from vidferry_worker.attempt.state import AttemptState
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.protocol import Converting, Done, Progress, Report, Waiting
from vidferry_worker.metrics import HighWaterMark, WorkerMetrics
from vidferry_worker.settings import WorkerSettings

PAUSED = "The site asks for a pause"
ALL_QUARTERS = len(stages.DOWNLOAD_QUARTERS)


class DownloadTracker:
    """How far one download is, from its first byte to its finished file.

    Raises JobFailure where it has too many bytes, or is too slow.
    """

    def __init__(
        self,
        state: AttemptState,
        extraction: Extraction,
        settings: WorkerSettings,
        metrics: WorkerMetrics,
        max_bytes: int,
    ) -> None:
        self._state, self._max_bytes, self._metrics = state, max_bytes, metrics
        self._download, self._conversion = DownloadProgress(extraction.streams), ConversionProgress()
        self._stall = StallDetector(settings.stall_seconds)
        # Not over a shorter time than a download may be silent: a silence would make it too slow.
        rate_seconds = max(settings.min_rate_seconds, settings.stall_seconds)
        self._rate = RateCheck(settings.min_rate, rate_seconds, time.monotonic())
        self._downloaded = HighWaterMark()
        self._quarters = 0
        """how many were sent"""
        self._finished: set[int] = set()
        """streams of which everything has arrived"""

    def take_report(self, report: Report | None) -> None:
        """Takes the next report of the child; None stands for silence."""
        match report:
            case Progress():
                self._take_progress(report)
            case Converting():
                self._conversion.update(report, time.monotonic())
                self._show_conversion()
            case Waiting():
                self._rate.exclude_wait(self._stall.grant_wait(report))
                self._show_pause()
            case Done():
                self._enter_quarters(ALL_QUARTERS)
                self._state.enter_step(stages.DOWNLOADED)
                return
            case None:
                self._show_silence()
        self._check_speed()

    def _check_speed(self) -> None:
        is_too_slow = self._rate.is_too_slow(self._download.downloaded, time.monotonic())
        if (is_too_slow or self._stall.is_stalled) and not self._download.is_complete:
            raise JobFailure(ErrorCode.STALLED)

    def _take_progress(self, report: Progress) -> None:
        before = self._download.downloaded
        self._download.update(report, time.monotonic())
        if self._download.downloaded != before:
            self._stall.note_bytes()
        if report.finished and report.stream not in self._finished:
            self._finished.add(report.stream)
            self._state.trace.note_stream(report.stream, int(report.downloaded or 0))
        self._show_download()

    def _show_download(self) -> None:
        """Enters the steps that were reached, then shows how far the download is beyond the last of them."""
        download, now, quarters = self._download, time.monotonic(), self._quarters
        self._metrics.downloaded.add(by=self._downloaded.raise_to(download.downloaded))
        if download.downloaded > self._max_bytes:
            raise JobFailure(ErrorCode.TOO_LARGE)
        self._state.add_facts(
            downloaded_bytes=download.downloaded,
            total_bytes=download.total,
            speed=download.speed(now),
            eta=download.eta(now),
            retry_at=None,
        )
        self._enter_quarters(download.quarters)
        shown = self._state.current.progress
        progress = max(shown, download.progress)
        if not download.is_complete and (self._quarters == quarters or progress > shown):
            self._state.show_progress(progress=progress, message=stages.DOWNLOAD_QUARTERS[0].message)

    def _enter_quarters(self, reached: int) -> None:
        """Enters every step up to that quarter, and merging after the last."""
        for step in stages.DOWNLOAD_QUARTERS[self._quarters : reached]:
            self._state.enter_step(step)
        if self._quarters < reached == ALL_QUARTERS:
            self._state.enter_step(stages.MERGING, speed=None, eta=None)
        self._quarters = max(self._quarters, reached)

    def _show_silence(self) -> None:
        """Shows that no more bytes arrive, and that the site asked for it, if it did."""
        if self._state.current.speed:
            self._show_download()
        self._show_pause()

    def _show_pause(self) -> None:
        """Shows the pause that the site asked for, while it lasts."""
        ends = self._stall.pause_ends
        if ends and self._state.current.retry_at is None:
            self._state.show_progress(message=PAUSED, speed=None, eta=None, retry_at=format_timestamp(ends))

    def _show_conversion(self) -> None:
        """Shows how far ffmpeg is, once every byte has arrived."""
        current, conversion = self._state.current, self._conversion
        if current.stage is Stage.MERGING:
            progress = max(current.progress, conversion.progress)
            self._state.show_progress(progress=progress, eta=conversion.eta(time.monotonic()))
