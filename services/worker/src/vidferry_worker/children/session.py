"""The conversation with one child: extract, then download or stop, then its reports. Or a look, and its reports."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode, JobFailure, OfferedFormats
from vidferry_common.text import redact_site_text
from vidferry_worker.children.child import Child
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.identity import TrustedFacts
from vidferry_worker.children.protocol import (
    DownloadOrder,
    Evidence,
    EvidenceFound,
    EvidenceOrder,
    Failed,
    GoOrder,
    LookOrder,
    Report,
    StopOrder,
    VideoFound,
)

MAX_DETAIL = 1000
"""characters of yt-dlp's own words that the log is given"""


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """The limits of one extraction, from a URL to its formats."""

    seconds: float
    cpu_seconds: float


class ChildSession:
    """The orders to one child and its reports, as a download needs them. Methods raise JobFailure or ChildEnded."""

    def __init__(self, child: Child, limits: ExtractionLimits) -> None:
        self._child, self._limits = child, limits

    async def extract(self, order: DownloadOrder) -> Extraction:
        """What the child finds at the URL; TimeoutError."""
        self._child.send_order(order)
        self._child.max_cpu_seconds = self._limits.cpu_seconds
        async with asyncio.timeout(self._limits.seconds):
            while not isinstance(found := await self._wait_for_report(), VideoFound):
                pass
        self._child.max_cpu_seconds = None
        return Extraction.from_event(
            found, TrustedFacts(order.url, self._child.extractors, self._child.connections.sites)
        )

    async def look(self, order: LookOrder) -> AsyncGenerator[Report]:
        """What the child reports of a URL at which it only looks; TimeoutError.

        All of it is one extraction. The time for which the caller does something else with a report doesn't count.
        """
        self._child.send_order(order)
        self._child.max_cpu_seconds = self._limits.cpu_seconds
        loop, seconds = asyncio.get_running_loop(), self._limits.seconds
        while True:
            begun = loop.time()
            async with asyncio.timeout(seconds):
                report = await self._wait_for_report()
            seconds -= loop.time() - begun
            yield report

    async def ask_evidence(self) -> Evidence:
        """The evidence of the video's present content at its origin; TimeoutError."""
        self._child.send_order(EvidenceOrder())
        async with asyncio.timeout(self._limits.seconds):
            while not isinstance(answer := await self._wait_for_report(), EvidenceFound):
                pass
        return answer.evidence

    def start_download(self, *, fragments: int, growing: bool) -> None:
        """Lets the child download the video that it found."""
        self._child.send_order(GoOrder(fragments, growing))

    def dismiss(self) -> None:
        """Lets the child end: its video is not needed."""
        self._child.send_order(StopOrder())

    async def next_report(self, seconds: float) -> Report | None:
        """The next report, None if there is none within that many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self._wait_for_report()
        except TimeoutError:
            return None

    async def close(self) -> None:
        """Ends the child, so that nobody writes to its files any more."""
        await self._child.close()

    async def _wait_for_report(self) -> Report:
        report = await self._child.next_report()
        if isinstance(report, Failed):
            # The child may not know why a connection failed, but the broker that refused it does.
            code = ErrorCode.FORBIDDEN_ADDRESS if self._child.connections.was_forbidden else report.code
            raise JobFailure(
                code,
                redact_site_text(report.detail)[:MAX_DETAIL],
                final=report.final,
                retry_after=report.retry_after,
                entries=report.entries,
                formats=OfferedFormats(tuple(report.lines), tuple(report.containers), report.has_audio),
                yt_dlp_version=report.yt_dlp_version,
            )
        return report
