"""A worker some of whose children are hostile: where an address ends in the name of an attack, attacks.py runs it.

`python -m support.taken_over [unwatched | unbounded]` is the real worker, with its zygote and its sandbox. `unbounded`
switches off the watch over what each child takes, `unwatched` that over the container's memory as well.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.tree import TESTS

LAUNCHER = f"""#!{sys.executable} -I
import runpy, sys
sys.path.append({str(TESTS)!r})
sys.argv = sys.argv[3:]
from support import taken_over
taken_over.install()
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def main() -> None:
    from vidferry_worker import main  # noqa: PLC0415 - the zygote has none of it
    from vidferry_worker.children import memory_monitor, resource_monitor  # noqa: PLC0415 - the zygote has none of it

    if {"unbounded", "unwatched"} & {*sys.argv}:
        resource_monitor.INTERVAL = 1e9
    if "unwatched" in sys.argv:
        memory_monitor.SHORTEST_PAUSE = 1e9
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "python")
        python.write_text(LAUNCHER)
        python.chmod(0o755)
        sys.executable = str(python)
        main.main()


def install() -> None:
    """In the zygote: children are taken over before they ask for anything."""
    from support.attacks import ATTACKS  # noqa: PLC0415
    from vidferry_worker.child import download  # noqa: PLC0415

    honest = download.Download._extract_and_download

    def run(self: Any) -> None:
        parts = urlsplit(self._url)
        attack = ATTACKS.get(parts.path.rpartition("/")[2])
        if attack:
            attack({name: int(value) for name, value in parse_qsl(parts.query)})
        else:
            honest(self)

    download.Download._extract_and_download = run  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
