"""A package index whose yt-dlp is made of the image's: run by the worker's Python, which has that.

python -m system.cluster.outside.packages serve
python -m system.cluster.outside.packages add VERSION      in the same pod: a further release
"""

import signal
import sys
from pathlib import Path

from support.bundles import IMAGE, Index, as_version, package_index

PORT = 8003
FOLDER = Path("/tmp/packages")


def main() -> None:
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["add", version]:
            add(version)
        case _:
            sys.exit(__doc__)


def serve() -> None:
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    FOLDER.mkdir()
    add(IMAGE)
    with package_index(FOLDER, "0.0.0.0", PORT):
        signal.sigwait(stops)


def add(version: str) -> None:
    """A release that says of itself that it is that version, and is the image's in all else."""
    Index(FOLDER).add_release(version, {"yt_dlp/version.py": as_version(version)})


if __name__ == "__main__":
    main()
