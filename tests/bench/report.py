"""Tables of figures, printed and kept in the documents."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from support.tree import DOCS

PERFORMANCE, RELIABILITY = DOCS / "performance.md", DOCS / "reliability.md"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def keep(section: str, text: str, document: Path = PERFORMANCE) -> None:
    """Puts the text into its section of the document, between its marks."""
    begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->\n"
    before, _, rest = document.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if not rest:
        raise KeyError(section)
    document.write_text(f"{before}{begin}{text}\n{machine.described()}\n{end}{after}")


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
