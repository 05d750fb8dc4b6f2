"""The data folder, which one supervisor at a time may use."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from vidferry_local.errors import CannotRun


@contextlib.contextmanager
def locked_data_folder(path: Path) -> Iterator[Path]:
    """Makes the folder if it is missing, and locks it. Raises CannotRun."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRun(
            f"the folder {path} can't be used ({error.strerror}). Name another by VIDFERRY_DATA."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    except BlockingIOError:
        raise CannotRun(
            f"another Vidferry runs on the folder {path}. Stop it, or name another folder by VIDFERRY_DATA."
        ) from None
    finally:
        os.close(lock)
