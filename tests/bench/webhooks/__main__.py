"""`make bench-webhooks`: how many webhooks one worker delivers, and how soon beside a receiver that hangs."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench import report
from bench.webhooks.deliveries import RECEIVERS, Outbox, outbox_with_worker
from bench.webhooks.receivers import ReceiverProcess
from support.tls import self_signed

HANGING = 10_000
"""events that are due to receivers that hang"""
MANY = 100
"""receivers that hang"""
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
            cost = await outbox.deliver_all()
            received = len(receiver.received())
    if received != count:
        raise AssertionError(f"{received} of {count} webhooks arrived")
    return ["https" if tls else "http", f"{cost.rate:.0f}", f"{cost.cpu * 1000:.2f}", f"{cost.memory / 1e6:.0f}"]


async def measure_delays(count: int, name: str, *, hanging: int = 0) -> list[object]:
    """hanging: how many receivers hang meanwhile."""
    async with worker() as (outbox, certificate):
        with ReceiverProcess(hangs=True) as hangs, ReceiverProcess(certificate) as receiver:
            async with outbox.delivering():
                for number in range(RECEIVERS):  # they are known to answer
                    await outbox.add(receiver.url, 1, number)
                await outbox.wait_for(0)
                for number in range(hanging):
                    await outbox.add(hangs.url, HANGING // hanging, RECEIVERS + number)
                if hanging:
                    await asyncio.to_thread(hangs.wait_for, 1)
                sent = await outbox.add_slowly(receiver.url, count, PAUSE)
                await outbox.wait_for(HANGING if hanging else 0)
            received = receiver.received()
    delays = [(received[each] - at) * 1000 for each, at in sent.items()]
    return [name, f"{report.median(delays):.1f}", f"{report.percentile(delays, 0.99):.1f}"]


async def measure(*, short: bool) -> str:
    count, events = (800, 200) if short else (10_000, 2000)
    rates = [await measure_rate(count, tls=tls) for tls in (False, True)]
    delays = [
        await measure_delays(events, "alone"),
        await measure_delays(events, f"{HANGING:,} due to one that hangs", hanging=1),
        await measure_delays(events, f"{HANGING:,} due to {MANY} that hang", hanging=MANY),
    ]
    return "\n".join(
        [
            f"{count:,} webhooks that are due at once, to {RECEIVERS} receivers, by one worker; all arrived:\n",
            report.table(["", "deliveries/s", "worker's CPU each (ms)", "worker's memory (MB more)"], rates),
            f"From an event to its receipt (ms), by https, with an event every {PAUSE * 1000:.0f} ms:\n",
            report.table(["", "p50", "p99"], delays),
        ]
    )


if __name__ == "__main__":
    is_short = "--short" in sys.argv
    text = asyncio.run(measure(short=is_short))
    print(text)
    if not is_short:
        report.keep("webhooks", text)
