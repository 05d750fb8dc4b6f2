"""Tables of figures, printed and kept in the documents."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PERFORMANCE, RELIABILITY = DOCS / "performance.md", DOCS / "reliability.md"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def machine() -> str:
    """What it ran on."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return (
        f"{os.cpu_count()} cores{f' ({model[1]})' if model else ''}, {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; shared with others, so read the ratios."
    )


def keep(section: str, text: str, document: Path = PERFORMANCE) -> None:
    """Puts the text into its section of the document, between its marks."""
    begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->\n"
    before, _, rest = document.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if not rest:
        raise KeyError(section)
    document.write_text(f"{before}{begin}{text}\n{machine()}\n{end}{after}")


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
