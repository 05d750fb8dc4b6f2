"""What a child leaves in its folder, and the folder itself."""

import os
import socket
from pathlib import Path

import pytest

from support.children import open_files
from vidferry_common.contract import thumbnails
from vidferry_common.contract.errors import ErrorCode, JobFailure
from vidferry_worker.children.work_dir import open_regular, work_folder
from vidferry_worker.upload.file_types import make_file_name

SECRET = b"not the child's"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with everything in it that a hostile child could leave."""
    (tmp_path / "secret").write_bytes(SECRET)
    home = tmp_path / "job"
    home.mkdir()
    (home / "media.mp4").write_bytes(b"video")
    (home / "link.mp4").symlink_to(tmp_path / "secret")
    (home / "beside.mp4").symlink_to("media.mp4")
    (home / "dangling.mp4").symlink_to("nowhere")
    (home / "device.mp4").symlink_to("/dev/zero")
    (home / "inner").mkdir()
    os.mkfifo(home / "pipe.mp4")
    return home


def test_a_regular_file_is_opened_with_its_size(folder: Path) -> None:
    source, size = open_regular(folder, "media.mp4")
    with source:
        assert (source.read(), size) == (b"video", 5)
        assert not os.get_inheritable(source.fileno())


@pytest.mark.timeout(20)  # a pipe without a writer would be waited for
@pytest.mark.parametrize(
    "name",
    [
        "link.mp4", "beside.mp4", "dangling.mp4", "device.mp4", "inner", "pipe.mp4", "missing.mp4", "", ".", "..",
        "../secret", "inner/../media.mp4", "/etc/passwd", "./media.mp4", "x" * 300, "media.mp4\x00", "\ud800",
    ],
)  # fmt: skip
def test_nothing_else_is_opened(folder: Path, name: str) -> None:
    before = set(open_files().items())
    with pytest.raises(JobFailure) as failure:
        open_regular(folder, name)
    assert failure.value.code is ErrorCode.INTERNAL
    assert set(open_files().items()) <= before


def test_a_socket_is_not_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("sock")
        with pytest.raises(JobFailure):
            open_regular(folder, "sock")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"<svg onload=alert(1)>", None),
        (b"<!DOCTYPE html>", None),
        (b"\xff\xd8", None),
        (b"", None),
    ],
)
def test_pictures_are_known_by_their_first_bytes(head: bytes, kind: str | None) -> None:
    assert thumbnails.media_type_of(head) == kind


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("A clip", "A clip.mp4"),
        ("مقطع 🌅", "مقطع 🌅.mp4"),
        ("../../etc/passwd", "etc passwd.mp4"),
        ("a\r\nSet-Cookie: x", "a Set-Cookie: x.mp4"),
        ("", "video.mp4"),
        (" ... ", "video.mp4"),
        ("\x00\x1f", "video.mp4"),
        ("C:\\end", "C: end.mp4"),
        ("clip.MP4", "clip.mp4"),
        ("clip.mov", "clip.mov.mp4"),
    ],
)
def test_file_names(title: str, expected: str) -> None:
    assert make_file_name(title, "mp4") == expected


def test_file_names_stay_short() -> None:
    assert len(make_file_name("x" * 500, "mp4")) <= 125


def test_a_workers_folder_is_there_while_it_runs(tmp_path: Path) -> None:
    with work_folder(tmp_path / "base", "one") as folder:
        assert (folder.stat().st_mode & 0o777, folder.name) == (0o700, "one")
        (folder / "job").mkdir()
    assert list((tmp_path / "base").iterdir()) == []


def test_a_new_worker_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    with work_folder(tmp_path, "running") as running:
        (running / "job").mkdir()
        (tmp_path / "killed" / "job").mkdir(parents=True)
        (tmp_path / "killed.lock").touch()
        with work_folder(tmp_path, "new"):
            assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "new.lock", "running", "running.lock"]
            assert (running / "job").is_dir()


def test_a_second_worker_of_the_same_name_harms_nothing(tmp_path: Path) -> None:
    with work_folder(tmp_path, "one") as folder:
        (folder / "job").mkdir()
        with pytest.raises(OSError, match=r"."), work_folder(tmp_path, "one"):
            pytest.fail("both run in one folder")
        assert (folder / "job").is_dir()
        assert (tmp_path / "one.lock").exists()
