"""`make bench-life`: how quickly a download begins, is found again, and what it costs to tell and to accept."""

import sys

from bench import report
from bench.life import again, posts, reporter, start


def main() -> None:
    short = "--short" in sys.argv
    text = "\n".join(
        [
            "From a request to the first `processing`, idle worker (ms):\n",
            report.table(
                ["", "p50", "p99", "idle: commands/s at Redis", "idle: Redis, of a core"],
                start.rows(20 if short else 100),
            ),
            "The same video again, from a POST to 100 % (ms):\n",
            report.table(["", "p50", "p99", "of a new one"], again.rows(5 if short else 40)),
            f"Progress of {reporter.DOWNLOADS} running downloads, {reporter.WATCHED_BY} jobs attached to each:\n",
            report.table(["", "% of a core", "ratio"], reporter.rows(5 if short else 20)),
            "Jobs posted at once, each on disk before it is answered:\n",
            report.table(
                ["jobs", "POSTs/s in each fifth", "last to first", "bytes of Redis a job"],
                posts.rows(1000 if short else 10_000),
            ),
        ]
    )
    print(text)
    if not short:
        report.keep("life", text)


if __name__ == "__main__":
    main()
