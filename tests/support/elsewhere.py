"""A place on another file system than pytest's own folders."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Nothing can be renamed from there into tmp_path, nor get a second name there."""
    with tempfile.TemporaryDirectory(prefix="vidferry-", dir="/dev/shm") as folder:
        assert Path(folder).stat().st_dev != tmp_path.stat().st_dev
        yield Path(folder)
