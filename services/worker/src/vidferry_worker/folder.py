"""The folder of a worker's running downloads: its own below the shared one, and cleared when its worker is gone."""

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def work_folder(base: Path, name: str) -> Iterator[Path]:
    """A worker's own folder, held by a lock that ends with the process; those without a holder are removed."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = base / name
    lock = os.open(base / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    try:
        _clear_orphans(base, name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (base / f"{name}.lock").unlink(missing_ok=True)
        os.close(lock)


def _clear_orphans(base: Path, own: str) -> None:
    for path in base.glob("*.lock"):
        if path.stem == own:
            continue
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(base / path.stem, ignore_errors=True)
                path.unlink(missing_ok=True)
                logger.info("cleared what a worker had left", extra={"worker": path.stem})
            finally:
                os.close(lock)
