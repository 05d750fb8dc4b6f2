"""The talk with one child, in the order that a download has: what is found, whether to go on, what comes."""

import asyncio
from dataclasses import dataclass

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.child import Child
from vidferry_worker.children.extraction import Extraction
from vidferry_worker.children.identity import Known
from vidferry_worker.children.protocol import (
    DownloadOrder,
    Evidence,
    EvidenceFound,
    EvidenceOrder,
    Failed,
    GoOrder,
    Report,
    StopOrder,
    VideoFound,
)


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """The bounds of the way from an address to its formats."""

    seconds: float
    cpu_seconds: float


class ChildSession:
    """The orders that one child is given, and the reports that it gives. All of it raises JobFailure or ChildEnded."""

    def __init__(self, child: Child, limits: ExtractionLimits) -> None:
        self._child, self._limits = child, limits

    async def extract(self, order: DownloadOrder) -> Extraction:
        """What it finds; TimeoutError."""
        self._child.send_order(order)
        self._child.max_cpu_seconds = self._limits.cpu_seconds
        async with asyncio.timeout(self._limits.seconds):
            while not isinstance(found := await self._next(), VideoFound):
                pass
        self._child.max_cpu_seconds = None
        return Extraction.read(found, Known(order.url, self._child.extractors, self._child.connections.sites))

    async def ask_evidence(self) -> Evidence:
        """What the origin tells now of what was found; TimeoutError."""
        self._child.send_order(EvidenceOrder())
        async with asyncio.timeout(self._limits.seconds):
            while not isinstance(told := await self._next(), EvidenceFound):
                pass
        return told.evidence

    def go_on(self, *, fragments: int, growing: bool) -> None:
        """Has it download what it found."""
        self._child.send_order(GoOrder(fragments, growing))

    def dismiss(self) -> None:
        """What it found is not wanted."""
        self._child.send_order(StopOrder())

    async def next_report(self, seconds: float) -> Report | None:
        """What it tells next, None where it says nothing for so long."""
        try:
            async with asyncio.timeout(seconds):
                return await self._next()
        except TimeoutError:
            return None

    async def close(self) -> None:
        """Ends the child: nobody writes to its file any more."""
        await self._child.close()

    async def _next(self) -> Report:
        report = await self._child.next_report()
        if isinstance(report, Failed):
            # The child may not know why a connection failed; the broker, which refused it, does.
            code = ErrorCode.FORBIDDEN_ADDRESS if self._child.connections.was_forbidden else report.code
            raise JobFailure(code, report.detail, retry_after=report.retry_after)
        return report
