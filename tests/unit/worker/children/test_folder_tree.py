"""Trees as a hostile child may leave them: measured within bounds, and removed whole."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.children import open_files
from vidferry_worker.child.sandbox.prepared_sandbox import _drop_capabilities
from vidferry_worker.children import folder_tree
from vidferry_worker.children.work_dir import clear_folder


def nested(folder: Path, depth: int, name: str = "x") -> None:
    """So many folders within each other, and a file in the last."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def wide(folder: Path) -> None:
    for number in range(folder_tree.MAX_ENTRIES + 1):
        (folder / str(number)).touch()


def locked(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"x")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0o300)


IMMEASURABLE: dict[str, Callable[[Path], None]] = {
    "thousands deep": lambda folder: nested(folder, 3000),
    "a path longer than the kernel takes": lambda folder: nested(folder, 30, "x" * 255),
    "wide": wide,
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Removed afterwards: pytest, which removes those of earlier runs, can't."""
    made = tmp_path / "job"
    made.mkdir()
    yield made
    clear_folder(made)


def test_every_file_counts(folder: Path) -> None:
    nested(folder, folder_tree.MAX_DEPTH)
    (folder / "x" / "large").write_bytes(b"x" * 10**6)
    (folder / "link").symlink_to("/usr")

    assert 10**6 <= folder_tree.measure(folder) < 2 * 10**6


@pytest.mark.parametrize("make", IMMEASURABLE.values(), ids=IMMEASURABLE)
def test_what_is_too_much_to_look_at_is_said_to_be(make: Callable[[Path], None], folder: Path) -> None:
    make(folder)
    before = set(open_files().items())

    with pytest.raises(folder_tree.UnmeasurableTree):
        folder_tree.measure(folder)
    assert set(open_files().items()) <= before


@pytest.mark.parametrize("make", IMMEASURABLE.values(), ids=IMMEASURABLE)
def test_it_is_removed_all_the_same(make: Callable[[Path], None], folder: Path) -> None:
    make(folder)
    (folder / "link").symlink_to(folder.parent)
    before = set(open_files().items())

    folder_tree.remove(folder)

    assert not folder.exists()
    assert folder.parent.exists()
    assert set(open_files().items()) <= before


def test_what_forbids_a_look_is_found_out_and_removed(folder: Path) -> None:
    locked(folder)

    assert without_privileges(lambda: measured(folder)) == "hidden"
    assert without_privileges(lambda: removed(folder)) == "removed"
    assert not folder.exists()


def measured(folder: Path) -> str:
    try:
        folder_tree.measure(folder)
    except folder_tree.UnmeasurableTree:
        return "hidden"
    return "measured"


def removed(folder: Path) -> str:
    folder_tree.remove(folder)
    return "removed"


def without_privileges(act: Callable[[], str]) -> str:
    """What it returns in a process that obeys the modes of files, as root's by themselves don't."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _drop_capabilities()
            os.write(writer, act().encode())
        except BaseException as error:  # noqa: BLE001 - told to the test
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        found = told.read()
    os.waitpid(pid, 0)
    return found


def test_a_folder_that_is_not_there_is_nothing(folder: Path) -> None:
    folder.rmdir()

    assert folder_tree.measure(folder) == 0
    folder_tree.remove(folder)


def test_a_folder_that_is_moved_out_meanwhile_leads_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a bundle has started may still move the folders of its children while they are removed."""
    others = tmp_path / "others" / "file"
    others.parent.mkdir()
    others.touch()
    inner = tmp_path / "job" / tmp_path.name / "x"
    inner.mkdir(parents=True)
    remove_files = folder_tree._remove_files

    def move(fd: int, deadline: float) -> str | None:
        if os.path.samestat(os.fstat(fd), inner.stat()):
            inner.rename(tmp_path / "x")
            monkeypatch.undo()
        return remove_files(fd, deadline)

    monkeypatch.setattr(folder_tree, "_remove_files", move)
    with pytest.raises(OSError, match="moved"):
        folder_tree.remove(tmp_path / "job")
    assert others.exists()


def test_a_tree_that_grows_as_fast_as_it_is_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bundle has started may still write there."""
    (tmp_path / "job" / "0").mkdir(parents=True)
    rmdir, numbers = os.rmdir, count(1)

    def replace(name: str, *, dir_fd: int) -> None:
        rmdir(name, dir_fd=dir_fd)
        os.mkdir(str(next(numbers)), dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", replace)
    monkeypatch.setattr(folder_tree, "MAX_REMOVE_SECONDS", 0.2)
    with pytest.raises(OSError, match="grows"):
        folder_tree.remove(tmp_path / "job")


def test_a_file_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "job").touch()
    folder_tree.remove(tmp_path / "job")
    assert not (tmp_path / "job").exists()
