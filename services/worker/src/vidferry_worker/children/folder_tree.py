"""Folder trees that a child has made: measured and removed, whatever it made of them.

Both go by directory descriptors, without recursion: paths may be longer than the kernel takes, folders may lie
thousands deep, and modes may forbid a look.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_DEPTH = 16
"""folders within folders; yt-dlp makes none, the JavaScript runtime's cache has a few"""
MAX_ENTRIES = 20_000
"""files and folders, each of which takes an inode of the disk"""
BLOCK = 512
"""bytes, by which stat(2) counts"""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_Level = tuple[int, Any]
"""A folder's descriptor, and what os.scandir has still to tell of it."""


class Immeasurable(Exception):
    """The tree has too much in it to be looked at, or hides some of it."""


def measure(folder: Path) -> int:
    """The bytes that all of it takes on the disk; Immeasurable. What vanishes meanwhile does not count."""
    size = 0
    for count, entry in enumerate(_walk(folder), 1):
        if count > MAX_ENTRIES:
            msg = f"more than {MAX_ENTRIES} files"
            raise Immeasurable(msg)
        size += entry.st_blocks * BLOCK
    return size


def _walk(folder: Path) -> Iterator[os.stat_result]:
    """Every file and folder below it, in no order. It holds a descriptor for each level."""
    levels: list[_Level] = []
    try:
        _enter(levels, os.fspath(folder), None)
        while levels:
            fd, listing = levels[-1]
            entry = next(listing, None)
            if entry is None:
                _leave(levels)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    _enter(levels, entry.name, fd)
            except (FileNotFoundError, NotADirectoryError):  # it was removed, or renamed, just now
                continue
            yield status
    except FileNotFoundError:
        return
    except OSError as error:
        raise Immeasurable(str(error)) from error
    finally:
        while levels:
            _leave(levels)


def _enter(levels: list[_Level], name: str, parent: int | None) -> None:
    if len(levels) > MAX_DEPTH:
        msg = f"more than {MAX_DEPTH} folders within each other"
        raise Immeasurable(msg)
    fd = os.open(name, _FOLDER, dir_fd=parent)
    try:
        levels.append((fd, os.scandir(fd)))
    except OSError:
        os.close(fd)
        raise


def _leave(levels: list[_Level]) -> None:
    fd, listing = levels.pop()
    listing.close()
    os.close(fd)


def remove(folder: Path) -> None:
    """Removes all of it; OSError where something stays. Where a child still changes it, it may have to be called again.

    It goes back up by `..`, so it needs one descriptor however deep the tree is.
    """
    try:
        fd = _open(os.fspath(folder), None)
    except FileNotFoundError:
        return
    names: list[str] = []
    try:
        while True:
            below = _remove_files(fd)
            if below is not None:
                fd = _go(fd, _open(below, fd))
                names.append(below)
            elif names:
                fd = _go(fd, _open("..", fd))
                os.rmdir(names.pop(), dir_fd=fd)
            else:
                break
    finally:
        os.close(fd)
    folder.rmdir()


def _remove_files(fd: int) -> str | None:
    """The first folder that is met, once the files before it are gone; None where the folder is empty then."""
    with os.scandir(fd) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=fd)
    return None


def _open(name: str, parent: int | None) -> int:
    """The descriptor of a folder that may be listed and changed; one whose mode forbids that is given another."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        fd = os.open(name, _FOLDER, dir_fd=parent)
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(fd, stat.S_IRWXU)
    return fd


def _go(fd: int, there: int) -> int:
    os.close(fd)
    return there
