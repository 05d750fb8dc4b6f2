"""Writes the dashboards into the chart: `make docs`. With --check it only fails if a file is out of date."""

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

import progress_and_latency

FOLDER = Path(__file__).parent.parent / "helm" / "vidferry" / "dashboards"
DASHBOARDS = {"progress-and-latency.json": progress_and_latency.build_dashboard}


def main() -> int:
    stale = 0
    for name, build in DASHBOARDS.items():
        path, text = FOLDER / name, JSONEncoder(sort_keys=True, indent=2).encode(build()) + "\n"
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            print(f"{path.name} is not what deploy/dashboards builds: run make docs")
        else:
            path.write_text(text)
    return stale if "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
