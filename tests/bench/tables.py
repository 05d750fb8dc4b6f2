"""What was measured, as docs/performance.md shows it."""

from bench.report import table
from bench.rounds import Result, Shape

_COLUMNS = (
    "", "CPU µs a frame", "× the floor", "p50 ms", "p99 ms", "delivered", "CPU µs a connect", "KiB a socket",
    "kernel slab KiB", "Redis CPU µs a message", "load's CPU",
)  # fmt: skip


def contenders(shape: Shape, results: dict[str, Result]) -> str:
    """A row each, with its CPU a frame as a multiple of the first one's, the floor."""
    floor = next(iter(results.values()))
    each_by = "1 watcher" if shape.watchers == 1 else f"{shape.watchers} watchers"
    title = f"{shape.jobs:,} jobs with {each_by} each, {shape.rate:,.0f} frames a second for {shape.seconds:g} s:"
    return f"\n{title}\n\n" + table(_COLUMNS, [_row(name, each, floor) for name, each in results.items()])


def _row(name: str, each: Result, floor: Result) -> list[str]:
    return [
        name, f"{each.cpu_us:.1f}", f"{each.cpu_us / floor.cpu_us:.2f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}",
        f"{each.delivered:.1%}", f"{each.connect_us:.0f}", f"{each.kib:.1f}", f"{each.slab_kib:.1f}",
        f"{each.redis_us:.1f}" if each.redis_us else "–", f"{each.load_share:.0%}",
    ]  # fmt: skip
