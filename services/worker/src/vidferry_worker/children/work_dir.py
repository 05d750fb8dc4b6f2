"""The folder of a worker's running downloads: its own below the shared one, and cleared when its worker is gone."""

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vidferry_worker.children import folder_tree

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
        clear(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        yield folder
    finally:
        clear(folder)
        (base / f"{name}.lock").unlink(missing_ok=True)
        os.close(lock)


_removers = ThreadPoolExecutor(2, "remove")
"""Threads of their own: a folder with many files holds up no other work."""


def clear(folder: Path) -> None:
    """Removes what a child has left. What can't be removed is logged, and left to the next start."""
    try:
        folder_tree.remove(folder)
    except OSError as error:
        logger.warning("a folder can't be removed", extra={"folder": str(folder), "error": str(error)})


def clear_in_thread(folder: Path) -> "asyncio.Future[None]":
    """As clear, while the event loop goes on."""
    return asyncio.get_running_loop().run_in_executor(_removers, clear, folder)


def _clear_orphans(base: Path, own: str) -> None:
    for path in base.glob("*.lock"):
        if path.stem == own:
            continue
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder_tree.remove(base / path.stem)
                path.unlink(missing_ok=True)
                logger.info("cleared what a worker had left", extra={"worker": path.stem})
            finally:
                os.close(lock)
