"""`make bench-gateway`: the gateway beside what else could stand in its place, in one go. Prints Markdown.

BENCH_SHORT=1 takes a tenth of the sockets and of the time: it shows that all of it runs, not how fast it is.
BENCH_RATE is of frames a second (20,000), for a machine whose Redis can't publish as many.
"""

import asyncio
import os
import sys

from bench import machine, report, tables
from bench.contenders import ALL, NAIVE, Contender
from bench.further import Further
from bench.jobs import Published, make
from bench.rounds import Result, Shape, measure, medians
from support.redis_server import RedisServer, redis_server

SHORT = bool(os.environ.get("BENCH_SHORT"))
REPEATS = 1 if SHORT else 3
RATE = float(os.environ.get("BENCH_RATE", "20000"))
SHAPES = (Shape(2000, 1, RATE, 8), Shape(20, 100, RATE, 8))
SHORT_SHAPES = (Shape(200, 1, 2_000, 2), Shape(2, 100, 2_000, 2))


def main() -> None:
    print(machine.described())
    # Without its file on disk: what is measured are those who listen to it.
    with redis_server("--appendonly", "no") as server:
        for shape in SHORT_SHAPES if SHORT else SHAPES:
            jobs, published = asyncio.run(make(server, shape.jobs))
            ids = [job.id for job in jobs]
            print(tables.contenders(shape, _all(shape, server, ids, published)), flush=True)
        jobs, published = asyncio.run(make(server, 200 if SHORT else 2000))
        rows = Further(server, [job.id for job in jobs], published, short=SHORT).rows()
        print("\nThe gateway alone:\n\n" + report.table(("", "measured", "goal"), rows))


def _all(shape: Shape, server: RedisServer, ids: list[str], published: Published) -> dict[str, Result]:
    """Side by side: each contender once, then each again."""
    rounds: dict[str, list[Result]] = {contender.name: [] for contender in ALL}
    for number in range(REPEATS):
        for contender in ALL:
            # The naive way falls behind every time, and takes its time over it.
            if contender is not NAIVE or number == 0:
                rounds[contender.name].append(_once(contender, shape, server, ids, published))
    return {name: medians(results) for name, results in rounds.items()}


def _once(contender: Contender, shape: Shape, server: RedisServer, ids: list[str], published: Published) -> Result:
    result = measure(contender, shape, server, ids, published)
    print(f"{contender.name}: {result}", file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    main()
