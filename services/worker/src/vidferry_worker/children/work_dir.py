"""The folder for the files of a worker's running downloads, and the safe opening of what children leave there.

Each worker has its own below the shared one. The next worker to start removes what a dead one has left.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children import folder_tree

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def work_folder(base: Path, name: str) -> Iterator[Path]:
    """A worker's own folder, held by a lock that ends with its process. Folders that no worker holds are removed."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = base / name
    lock = os.open(base / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    try:
        _remove_orphans(base, name)
        clear_folder(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        yield folder
    finally:
        clear_folder(folder)
        (base / f"{name}.lock").unlink(missing_ok=True)
        os.close(lock)


_removers = ThreadPoolExecutor(2, "remove")
"""threads of its own, so that a folder with many files delays no other work"""


def clear_folder(folder: Path) -> None:
    """Removes the folder of a child. What can't be removed is logged, and left to the next start of a worker."""
    try:
        folder_tree.remove(folder)
    except OSError as error:
        logger.warning("can't remove a folder", extra={"folder": str(folder), "error": str(error)})


def clear_folder_in_thread(folder: Path) -> "asyncio.Future[None]":
    return asyncio.get_running_loop().run_in_executor(_removers, clear_folder, folder)


def _remove_orphans(base: Path, own: str) -> None:
    for path in base.glob("*.lock"):
        if path.stem == own:
            continue
        with contextlib.suppress(OSError):
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder_tree.remove(base / path.stem)
                path.unlink(missing_ok=True)
                logger.info("removed the files of a stopped worker", extra={"worker": path.stem})
            finally:
                os.close(lock)


def open_regular(folder: Path, name: str) -> tuple[BinaryIO, int]:
    """A regular file that a child left in its folder, and its size; JobFailure where it is anything else."""
    if not name or "/" in name or name in {".", ".."}:
        raise JobFailure(ErrorCode.INTERNAL, "a child named a file outside its folder")
    try:
        fd = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise JobFailure(ErrorCode.INTERNAL, f"the child's file can't be opened: {error}") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise JobFailure(ErrorCode.INTERNAL, "a child left no regular file")
    return os.fdopen(fd, "rb"), status.st_size
