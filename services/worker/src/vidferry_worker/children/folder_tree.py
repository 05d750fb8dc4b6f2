"""Measures and removes the folder tree of a child, however hostile it is.

Paths may be longer than the kernel accepts, folders may be nested thousands deep, and their modes may forbid reading.
So both go by file descriptors of folders, and without recursion.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_DEPTH = 16
"""of nested folders: yt-dlp makes none, the JavaScript runtime's cache has a few"""
MAX_ENTRIES = 20_000
"""files and folders; each takes an inode of the disk"""
MAX_REMOVE_SECONDS = 60.0
"""A tree of MAX_ENTRIES takes less than one."""
BLOCK = 512
"""bytes: the unit of st_blocks (stat(2))"""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_Level = tuple[int, Any]
"""A folder's file descriptor, and its os.scandir iterator."""


class UnmeasurableTree(Exception):
    """The tree has too many files to be measured, or some of it can't be read."""


def measure(folder: Path) -> int:
    """The bytes that the tree takes on the disk; UnmeasurableTree. What is removed meanwhile does not count."""
    size = 0
    for count, entry in enumerate(_walk_tree(folder), 1):
        if count > MAX_ENTRIES:
            msg = f"more than {MAX_ENTRIES} files"
            raise UnmeasurableTree(msg)
        size += entry.st_blocks * BLOCK
    return size


def _walk_tree(folder: Path) -> Iterator[os.stat_result]:
    """The status of every file and folder below, in no order. It keeps one file descriptor open for each level."""
    levels: list[_Level] = []
    try:
        _enter_folder(levels, os.fspath(folder), None)
        while levels:
            fd, listing = levels[-1]
            entry = next(listing, None)
            if entry is None:
                _leave_folder(levels)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    _enter_folder(levels, entry.name, fd)
            except (FileNotFoundError, NotADirectoryError):  # just removed or renamed
                continue
            yield status
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnmeasurableTree(str(error)) from error
    finally:
        while levels:
            _leave_folder(levels)


def _enter_folder(levels: list[_Level], name: str, parent: int | None) -> None:
    if len(levels) > MAX_DEPTH:
        msg = f"more than {MAX_DEPTH} folders within each other"
        raise UnmeasurableTree(msg)
    fd = os.open(name, _FOLDER, dir_fd=parent)
    try:
        levels.append((fd, os.scandir(fd)))
    except OSError:
        os.close(fd)
        raise


def _leave_folder(levels: list[_Level]) -> None:
    fd, listing = levels.pop()
    listing.close()
    os.close(fd)


def remove(folder: Path) -> None:
    """Removes the tree, or the file; OSError where something is left, for instance because a child still writes to it.

    It goes back up by `..`, so it needs only one file descriptor however deep the tree is. Who still writes to the tree
    may have moved a folder meanwhile, whose `..` then leads out of it: so each folder has to be the one it came from.
    """
    try:
        fd = _open_folder(os.fspath(folder), None)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        folder.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + MAX_REMOVE_SECONDS
    way: list[tuple[str, tuple[int, int]]] = []
    """from the top of the tree down to fd: the name of each folder, and which one it is in"""
    try:
        while (below := _remove_files(fd, deadline)) is not None or way:
            if below is not None:
                above = _identify(fd)
                fd = _close_and_return(fd, _open_folder(below, fd))
                way.append((below, above))
            else:
                name, above = way.pop()
                fd = _close_and_return(fd, os.open("..", _FOLDER, dir_fd=fd))
                if _identify(fd) != above:
                    raise OSError(errno.EXDEV, "a folder was moved while its tree was removed")
                os.rmdir(name, dir_fd=fd)
    finally:
        os.close(fd)
    folder.rmdir()


def _remove_files(fd: int, deadline: float) -> str | None:
    """Removes files until there is a folder among them, and returns its name; None once the folder is empty.

    OSError after the deadline: a child may make files as fast as they are removed.
    """
    with os.scandir(fd) as listing:
        for entry in listing:
            if time.monotonic() > deadline:
                raise OSError(errno.ETIME, "the tree grows while it is removed")
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=fd)
    return None


def _open_folder(name: str, parent: int | None) -> int:
    """A file descriptor of a folder, whose mode is changed if it forbids listing or removing files."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        fd = os.open(name, _FOLDER, dir_fd=parent)
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(fd, stat.S_IRWXU)
    return fd


def _identify(fd: int) -> tuple[int, int]:
    """Which file or folder it is."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _close_and_return(fd: int, new_fd: int) -> int:
    os.close(fd)
    return new_fd
