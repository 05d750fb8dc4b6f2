"""Writes dashboards and alerts into the chart: `make docs`. With --check it only fails if a file is out of date."""

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

import api
import gateway
import overview
import progress_and_latency
import redis_and_queue
import workers_and_sites
from alerts import file as alerts_file

CHART = Path(__file__).parent.parent / "helm" / "vidferry"
PAGES = (overview, progress_and_latency, workers_and_sites, gateway, api, redis_and_queue)
BOARDS = tuple(page.BOARD for page in PAGES)


def main() -> int:
    encoder = JSONEncoder(sort_keys=True, indent=2)
    files = {CHART / "dashboards" / f"{board.file}.json": f"{encoder.encode(board.build())}\n" for board in BOARDS}
    files[CHART / "files" / "alerts.yaml"] = alerts_file.text()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in sys.argv:
            print(f"{path.name} is not what deploy/dashboards builds: run make docs")
        else:
            path.write_text(files[path])
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
