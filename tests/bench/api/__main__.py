"""`make bench-api`: what a request costs by how access is checked, and how long a page of a long list takes."""

import sys

from bench import report
from bench.api import access, lists, objects


def main() -> None:
    short = "--short" in sys.argv
    jobs = 10_000 if short else 100_000
    pages, size = objects.rows(jobs)
    text = "\n".join(
        [
            "A request by how access is checked, medians of short rounds in turns (ms):\n",
            report.table(["", "GET: CPU", "GET: time", "POST: CPU", "POST: time"], access.rows(5 if short else 25)),
            f"Pages of a list of {jobs:,} ended jobs (ms):\n",
            report.table(["", "pages", "p50", "p99"], lists.rows(jobs)),
            f"Pages of a list of {jobs:,} stored videos (ms), each {size} bytes of Redis:\n",
            report.table(["", "pages", "p50", "p99"], pages),
        ]
    )
    print(text)
    if not short:
        report.keep("api", text)


if __name__ == "__main__":
    main()
