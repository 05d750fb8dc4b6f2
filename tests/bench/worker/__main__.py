"""`make bench-worker`: how quickly the bytes come, and what that costs."""

import asyncio
import sys

from bench import report
from bench.worker import rows, sources

HEAD = ["", "compared with", "wall (s)", "CPU (s)", "its wall", "its CPU", "wall ratio", "CPU ratio", "goal"]


async def measure(*, short: bool, only: set[str]) -> str:
    size, rounds = 1024 * sources.MIB // (8 if short else 1), 1 if short else 3
    made: list[rows.Row] = []
    if not only or "clips" in only:
        made += await rows.clips(20 if short else 100, 1 if short else 2)
    if not only or "pages" in only:
        made += await rows.pages(20 if short else 100, 1 if short else 2)
    if not only or "masters" in only:
        made += await rows.masters(20 if short else 100, 1 if short else 2)
    if not only or "large" in only:
        made += await rows.large(size, rounds)
    if not only or "growing" in only:
        share = 4 if short else 1
        made += await rows.growing(256 * sources.MIB // share, 16 * sources.MIB // share, rounds)
    if not only or "hls" in only:
        made += await rows.hls(50 if short else 500, 1 if short else 2)
    if not only or "merge" in only:
        made += await rows.merge(size, rounds)
    text = report.table(HEAD, made) if made else ""
    if not only or "memory" in only:
        text += "\n" + report.table(["memory, MB", "", "goal"], await rows.memory(40 if short else 1000))
    if not only or "sandbox" in only:
        text += "\n" + report.table(["sandbox, ms", "", "goal"], await rows.sandbox(50 if short else 500))
    return text


def main() -> None:
    words = set(sys.argv[1:])
    short = "--short" in words
    only = words - {"--short"}
    text = asyncio.run(measure(short=short, only=only))
    print(text)
    if not short and not only:
        report.keep("worker", text)


if __name__ == "__main__":
    main()
