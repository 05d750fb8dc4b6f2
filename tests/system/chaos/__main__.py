"""`make chaos`: people ask for videos while everything is killed, frozen and cut; afterwards nothing may be wrong.

python -m system.chaos [--seconds 600] [--jobs 200] [--seed N] [--bucket s3]
"""

import argparse
import asyncio
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence

from bench import report
from system.chaos import batch_verdict, probe_verdict, verdict, webhook_verdict
from system.chaos.cast import GATEWAYS, WORKERS, Cast, cast
from system.chaos.crowd import Crowd
from system.chaos.monkey import Monkey
from system.chaos.person import Collector, Person, Prober
from system.chaos.watched_job import WatchedJob
from vidferry_common.contract import keys

SETTLE_SECONDS = 240
"""for what is left when the monkey stops: tries that are delayed, leases that end"""
DELIVERY_SECONDS = 240
"""for the events that are left then: each is refused twice at the most, so tried again within 50 s"""


async def play(running: Cast, everyone: list[Person], seed: int, seconds: float) -> tuple[Monkey, list[str]]:
    """The whole of it; what was wrong afterwards."""
    monkey, tasks, begun = Monkey(running, random.Random(seed)), [], time.monotonic()
    striking = asyncio.create_task(monkey.run(seconds))
    for person in everyone:
        tasks.append(asyncio.create_task(person.run()))
        await asyncio.sleep(0.8 * seconds / len(everyone))
    await striking
    _, late = await asyncio.wait(tasks, timeout=SETTLE_SECONDS)
    for task in late:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [
        f"not ended: {[job.id for job in person.jobs if not job.ends]} {outcome!r}"
        for person, outcome in zip(everyone, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    ]
    print(f"{time.monotonic() - begun:6.1f} s  all jobs have ended", flush=True)
    if not wrong:
        wrong = await judge(running, everyone)
        print(f"{time.monotonic() - begun:6.1f} s  all events are delivered, and everything was looked at", flush=True)
    await asyncio.to_thread(running.stop)
    left = await asyncio.to_thread(running.keys_left) + running.files_left()
    wrong += [f"left behind: {each}" for each in left if not _is_kept(each, everyone)] + verdict.of_processes(running)
    return monkey, wrong + verdict.of_logs(running)


async def judge(running: Cast, everyone: Sequence[Person]) -> list[str]:
    """What is wrong once all jobs have ended, while the services run."""
    jobs = all_jobs(everyone)
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            await webhook_verdict.until_delivered([job for job in jobs if job.webhook])
    except TimeoutError:
        wrong = [f"events still wait after {DELIVERY_SECONDS} s"]
    else:
        wrong = []
    wrong += await verdict.of_jobs(jobs) + verdict.of_objects(running, jobs)
    wrong += await batch_verdict.of_batches([person for person in everyone if isinstance(person, Collector)])
    wrong += probe_verdict.of_probes([person for person in everyone if isinstance(person, Prober)])
    downloads = [job for job in jobs if job.document["kind"] != "probe"]
    return wrong + await webhook_verdict.of_deliveries(downloads) + webhook_verdict.of_receivers(running.owners, jobs)


def all_jobs(everyone: Sequence[Person]) -> list[WatchedJob]:
    return [job for person in everyone for job in person.jobs]


def _is_kept(key: str, everyone: Sequence[Person]) -> bool:
    """Whether it holds what a cancelled batch has not made, for its retry."""
    return key in {
        keys.BATCH + job.id + keys.ENTRIES
        for job in all_jobs(everyone)
        if job.document["kind"] == "batch" and job.ends and job.status == "cancelled"
    }


def describe_ends(everyone: Sequence[Person]) -> list[tuple[str, object]]:
    """What came of the jobs."""
    jobs = [job for job in all_jobs(everyone) if job.ends]
    ends = Counter((job.document["kind"], job.status) for job in jobs)
    codes = Counter(job.ends[0]["error"]["code"] for job in jobs if job.ends[0].get("error"))
    plural = {"download": "downloads", "batch": "batches", "probe": "probes"}
    return [
        *((f"{plural[kind]} {status}", count) for (kind, status), count in sorted(ends.items())),
        *((f"of these with `{code}`", count) for code, count in sorted(codes.items())),
        ("jobs that took more than one attempt", sum(len(job.attempts - {0}) > 1 for job in jobs)),
        ("times that a watcher connected anew", sum(job.reconnected for job in jobs)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--bucket", choices=["folder", "s3"], default="folder")
    parser.add_argument("--keep", action="store_true", help="keep the table in docs/reliability.md")
    told = parser.parse_args()
    print(f"seed {told.seed}: {told.jobs} requests, {WORKERS} workers, {GATEWAYS} gateways, {told.seconds:.0f} s")
    begun, rng = time.monotonic(), random.Random(told.seed)
    with cast(rng, told.bucket) as running:
        everyone = Crowd(running, rng).draw(told.jobs)
        monkey, wrong = asyncio.run(play(running, everyone, told.seed, told.seconds))
    text = "\n".join([
        f"Seed {told.seed}, {told.jobs} requests, {time.monotonic() - begun:.0f} s:\n",
        report.table(["what happened", "times"], sorted(monkey.struck.items())),
        report.table(["what came of it", ""], [
            *describe_ends(everyone),
            *webhook_verdict.count_requests(running.owners).items(),
            ("broken promises", len(wrong)),
        ]),
    ])  # fmt: skip
    print(text)
    if wrong:
        sys.exit("\n".join(wrong))
    if told.keep:
        report.keep("chaos", text, report.RELIABILITY)


if __name__ == "__main__":
    main()
