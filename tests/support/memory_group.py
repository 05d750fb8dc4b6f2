"""A control group of memory with a limit, as a container has one, for processes of a test."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
ENTERING = ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"']
"""a shell that enters the group whose `cgroup.procs` follows, and becomes the command after that"""
SECONDS = 10


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Its folder. It needs root."""
    if VERSION_1.is_dir():
        folder, file = VERSION_1 / f"vidferry-{uuid.uuid4().hex}", "memory.limit_in_bytes"
    else:
        folder, file = VERSION_2 / f"vidferry-{uuid.uuid4().hex}", "memory.max"
        (VERSION_2 / "cgroup.subtree_control").write_text("+memory")
    folder.mkdir()
    try:
        (folder / file).write_text(str(limit))
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Its last processes may take a moment to leave it."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)
    folder.rmdir()
