"""Wheels that are read, and those that attack whoever reads them."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bundles import EJS, NEWER, make_wheel
from vidferry_worker.bundles import wheel as wheels
from vidferry_worker.bundles.wheel import BadWheel, WheelInfo, read_info, read_wheel, unpack

METADATA = f"Name: yt-dlp\nVersion: 1.0\nRequires-Dist: yt-dlp-ejs=={EJS}; extra == 'default'\n"


def make(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("yt_dlp/__init__.py", "")
        wheel.writestr("yt_dlp-1.0.dist-info/METADATA", METADATA)
        for name, content in files.items():
            wheel.writestr(name, content)
    return path


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_yt_dlp_s_own(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "yt-dlp", NEWER)
    assert read_info(path, "yt-dlp") == WheelInfo(NEWER, EJS)
    unpack(path, "yt-dlp", tmp_path / "code")
    assert {"yt_dlp/__init__.py", "yt_dlp/extractor/generic.py"} <= files_of(tmp_path / "code")


def test_of_other_folders_nothing_is_unpacked(tmp_path: Path) -> None:
    path = make(tmp_path / "a.whl", **{"json.py": b"", "yt_dlp_plugins/x.py": b"", "yt_dlp-1.0.data/data/x": b""})
    unpack(path, "yt-dlp", tmp_path / "code")
    assert files_of(tmp_path / "code") == {"yt_dlp/__init__.py"}


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "yt_dlp/../../evil.py", "/evil.py", "yt_dlp//evil.py", "yt_dlp/./evil.py", "yt_dlp/..\\evil.py",
     "yt_dlp/e\nvil.py", "yt_dlp/" + "a" * 250],
)  # fmt: skip
def test_a_name_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadWheel, match="refused"):
        unpack(make(tmp_path / "a.whl", **{name: b"x"}), "yt-dlp", tmp_path / "deep" / "code")
    assert files_of(tmp_path) <= {"a.whl", "deep/code/yt_dlp/__init__.py"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFSOCK])
def test_what_is_no_plain_file(kind: int, tmp_path: Path) -> None:
    path = make(tmp_path / "a.whl")
    with zipfile.ZipFile(path, "a") as wheel:
        entry = zipfile.ZipInfo("yt_dlp/link")
        entry.external_attr = (kind | 0o777) << 16
        wheel.writestr(entry, "/etc/passwd")
    with pytest.raises(BadWheel, match="refused"):
        unpack(path, "yt-dlp", tmp_path / "code")


def test_folders_within_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a block of the disk, and an entry of 250 characters makes 120 of them."""
    monkeypatch.setattr(wheels, "MAX_UNPACKED", 1024**2)
    files = {f"yt_dlp/{number}/{'x/' * 110}y.py": b"" for number in range(4)}
    with pytest.raises(BadWheel, match="folders"):
        unpack(make(tmp_path / "a.whl", **files), "yt-dlp", tmp_path / "code")


def test_one_name_twice(tmp_path: Path) -> None:
    path = make(tmp_path / "a.whl")
    with zipfile.ZipFile(path, "a") as wheel, pytest.warns(UserWarning, match="Duplicate"):
        wheel.writestr("yt_dlp/__init__.py", "another")
    with pytest.raises(BadWheel):
        unpack(path, "yt-dlp", tmp_path / "code")


def test_a_file_that_is_a_folder_too(tmp_path: Path) -> None:
    with pytest.raises(BadWheel):
        unpack(make(tmp_path / "a.whl", **{"yt_dlp/x": b"", "yt_dlp/x/y": b""}), "yt-dlp", tmp_path / "code")


@pytest.mark.parametrize("limit", ["MAX_UNPACKED", "MAX_FILES", "MAX_WHEEL", "MAX_DIRECTORY"])
def test_one_that_is_too_large(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb: 4 MiB of zeros in 4 KiB. Files of other folders count among the files."""
    path = make(tmp_path / "a.whl", **{"yt_dlp/zeros": bytes(4 * 1024**2), "a": b"", "b": b""})
    unpack(path, "yt-dlp", tmp_path / "whole")
    monkeypatch.setattr(
        wheels, limit, {"MAX_UNPACKED": 3 * 1024**2, "MAX_FILES": 4, "MAX_WHEEL": 1024, "MAX_DIRECTORY": 100}[limit]
    )
    with pytest.raises(BadWheel, match=r"too much|more than"):
        unpack(path, "yt-dlp", tmp_path / "code")
    written = sum(each.stat().st_size for each in (tmp_path / "code").rglob("*") if each.is_file())
    assert written <= 3 * 1024**2


def test_a_long_list_of_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another end than the last one, or the form for large files, says how long it is."""
    path = make(tmp_path / "a.whl")
    raw = path.read_bytes()
    locator = b"PK\6\7" + bytes(16)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    for changed in (raw[:-22] + locator + raw[-22:], raw[:-2] + b"\1\0x", raw + b"x"):
        path.write_bytes(changed)
        with pytest.raises(BadWheel, match="plain zip"):
            unpack(path, "yt-dlp", tmp_path / "code")


def test_a_size_that_is_a_lie(tmp_path: Path) -> None:
    path = make(tmp_path / "a.whl", **{"yt_dlp/zeros": bytes(4 * 1024**2)})
    raw = path.read_bytes()
    size = (4 * 1024**2).to_bytes(4, "little")
    path.write_bytes(raw.replace(size, (1024).to_bytes(4, "little")))
    with pytest.raises(BadWheel):
        unpack(path, "yt-dlp", tmp_path / "code")


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def flip(raw: bytes) -> bytes:
    return raw[:52] + bytes([raw[52] ^ 255]) + raw[53:]


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"no zip"])
def test_one_that_is_damaged(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = make(tmp_path / "a.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("yt_dlp/__init__.py", "text " * 100)
        wheel.writestr("yt_dlp-1.0.dist-info/METADATA", METADATA)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadWheel):
        unpack(path, "yt-dlp", tmp_path / "code")


@pytest.mark.parametrize(
    "metadata",
    ["", "Name: other\nVersion: 1.0\n", "Name: yt-dlp\nVersion: ../1\n", "Name: yt-dlp\n"],
)
def test_metadata_of_something_else(metadata: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("yt_dlp-1.0.dist-info/METADATA", metadata)
    with pytest.raises(BadWheel):
        read_info(tmp_path / "a.whl", "yt-dlp")


@pytest.mark.parametrize(
    "line",
    ["", "Requires-Dist: yt-dlp-ejs>=0.8; extra == 'default'", "Requires-Dist: yt-dlp-ejs==0.8.0; extra == 'pin'",
     "Requires-Dist: yt-dlp-ejs @ https://example.com/x.whl ; extra == 'default'"],
)  # fmt: skip
def test_without_an_exact_pin_of_its_companion(line: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("yt_dlp-1.0.dist-info/METADATA", f"Name: yt-dlp\nVersion: 1.0\n{line}\n")
    assert read_info(tmp_path / "a.whl", "yt-dlp") == WheelInfo("1.0", "")


def test_one_without_the_package(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("other/__init__.py", "")
    with pytest.raises(BadWheel, match="no yt_dlp"):
        unpack(tmp_path / "a.whl", "yt-dlp", tmp_path / "code")


def test_the_bytes_of_one_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.whl")
    assert read_wheel(path) == path.read_bytes()
    monkeypatch.setattr(wheels, "MAX_WHEEL", 10)
    with pytest.raises(BadWheel):
        read_wheel(path)
