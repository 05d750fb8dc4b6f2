"""`make bench-webhooks`: how many webhooks one worker delivers, and how soon beside a receiver that hangs."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench import report
from bench.webhooks.deliveries import Outbox, outbox_with_worker
from bench.webhooks.receivers import ReceiverProcess
from support.tls import self_signed

RECEIVERS = 16
HANGING = 10_000
"""events that are due to the one that hangs"""
PAUSE = 0.01
"""seconds between two events whose delay is measured"""


@asynccontextmanager
async def worker() -> AsyncIterator[tuple[Outbox, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        certificate = self_signed(Path(folder), "hooks.example.org")
        async with outbox_with_worker(certificate) as outbox:
            yield outbox, certificate


async def measure_rate(count: int, *, tls: bool) -> list[object]:
    async with worker() as (outbox, certificate):
        with ReceiverProcess(certificate if tls else None) as receiver:
            for number in range(RECEIVERS):
                await outbox.add(receiver.url, count // RECEIVERS, number)
            rate, cpu = await outbox.deliver_all()
    return ["https" if tls else "http", f"{rate:.0f}", f"{cpu * 1000:.2f}"]


async def measure_delays(count: int, *, hanging: int) -> list[object]:
    async with worker() as (outbox, certificate):
        with ReceiverProcess(hangs=True) as hangs, ReceiverProcess(certificate) as receiver:
            if hanging:
                await outbox.add(hangs.url, hanging, RECEIVERS)
            async with outbox.delivering():
                await asyncio.sleep(1)
                sent = await outbox.add_slowly(receiver.url, count, PAUSE)
                await outbox.wait_for(hanging)
            received = receiver.received()
    delays = [(received[each] - at) * 1000 for each, at in sent.items()]
    p50, p99 = report.median(delays), report.percentile(delays, 0.99)
    return [f"{hanging:,} due to one that hangs" if hanging else "alone", f"{p50:.1f}", f"{p99:.1f}"]


async def measure(*, short: bool) -> str:
    count, events = (800, 200) if short else (8000, 2000)
    rates = [await measure_rate(count, tls=tls) for tls in (False, True)]
    delays = [await measure_delays(events, hanging=hanging) for hanging in (0, HANGING)]
    return "\n".join(
        [
            f"{count} webhooks to {RECEIVERS} receivers, by one worker:\n",
            report.table(["", "deliveries/s", "worker's CPU each (ms)"], rates),
            "From an event to its receipt (ms), by https:\n",
            report.table(["", "p50", "p99"], delays),
        ]
    )


if __name__ == "__main__":
    is_short = "--short" in sys.argv
    text = asyncio.run(measure(short=is_short))
    print(text)
    if not is_short:
        report.keep("webhooks", text)
