"""`make chaos`: people ask for videos while everything is killed, frozen and cut; afterwards nothing may be wrong.

python -m system.chaos [--seconds 600] [--jobs 200] [--seed N]
"""

import argparse
import asyncio
import random
import secrets
import sys
import time
from collections import Counter

from bench import report
from system.chaos import verdict
from system.chaos.cast import GATEWAYS, WORKERS, Cast, cast
from system.chaos.monkey import Monkey
from system.chaos.person import Person

SETTLE_SECONDS = 240
"""for what is left when the monkey stops: tries that are delayed, leases that end"""
SOURCES = (
    "slow/clip.mp4?rate=300000", "slow/clip.mp4?rate=1000000", "media/clip.mp4", "hls/master.m3u8",
    "slow-hls/400000/master.m3u8", "dash/manifest.mpd", "page", "flaky/clip.mp4?times=1",
)  # fmt: skip


def people(running: Cast, rng: random.Random, count: int) -> list[Person]:
    """Most want a video of their own, some one that others want as well; some give up."""
    addresses = [
        f"{running.origin.address}/u/{rng.getrandbits(64):016x}/{rng.choice(SOURCES)}" for _ in range(count * 3 // 4)
    ]
    wanted = addresses + [rng.choice(addresses) for _ in range(count - len(addresses))]
    rng.shuffle(wanted)
    return [Person(running, random.Random(rng.getrandbits(64)), url, rng.random() < 0.1) for url in wanted]


async def play(running: Cast, everyone: list[Person], seed: int, seconds: float) -> tuple[Monkey, list[str]]:
    """The whole of it; what was wrong afterwards."""
    monkey, tasks = Monkey(running, random.Random(seed)), []
    striking = asyncio.create_task(monkey.run(seconds))
    for person in everyone:
        tasks.append(asyncio.create_task(person.run()))
        await asyncio.sleep(0.8 * seconds / len(everyone))
    await striking
    _, late = await asyncio.wait(tasks, timeout=SETTLE_SECONDS)
    wrong = [f"not ended: {person.job_id} {person.url}" for person, task in zip(everyone, tasks, strict=True)
             if task in late]  # fmt: skip
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    if not wrong:
        wrong += await verdict.of_people(everyone) + verdict.of_objects(running, everyone)
    await asyncio.to_thread(running.stop)
    left = await asyncio.to_thread(running.keys_left) + running.files_left()
    wrong += [f"left behind: {each}" for each in left] + verdict.of_processes(running)
    return monkey, wrong + verdict.of_logs(running)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--keep", action="store_true", help="keep the table in docs/reliability.md")
    told = parser.parse_args()
    print(f"seed {told.seed}: {told.jobs} jobs, {WORKERS} workers, {GATEWAYS} gateways, {told.seconds:.0f} s")
    begun = time.monotonic()
    with cast() as running:
        everyone = people(running, random.Random(told.seed), told.jobs)
        monkey, wrong = asyncio.run(play(running, everyone, told.seed, told.seconds))
    ends = Counter(person.ends[0]["status"] for person in everyone if person.ends)
    codes = Counter(person.ends[0]["error"]["code"] for person in everyone
                    if person.ends and person.ends[0].get("error"))  # fmt: skip
    text = "\n".join([
        f"Seed {told.seed}, {told.jobs} jobs, {time.monotonic() - begun:.0f} s:\n",
        report.table(["what happened", "times"], sorted(monkey.struck.items())),
        report.table(["what came of it", ""], [
            *((f"jobs {status}", count) for status, count in sorted(ends.items())),
            *((f"of these with `{code}`", count) for code, count in sorted(codes.items())),
            ("jobs that took more than one attempt", sum(len(person.attempts - {0}) > 1 for person in everyone)),
            ("times that a watcher connected anew", sum(person.reconnected for person in everyone)),
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
