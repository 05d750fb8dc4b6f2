"""Reads wheels that may be hostile: bounded, without running anything, and without a file outside of their folder."""

import email
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidferry_common.contract.bundles import is_version
from vidferry_worker.bundles.versions import normalize

MAX_WHEEL = 32 * 1024**2
"""bytes; yt-dlp's has 3.3 million"""
MAX_UNPACKED = 128 * 1024**2
"""bytes, with a BLOCK for each file and for each folder that it is in"""
BLOCK = 4096
MAX_FILES = 8000
"""yt-dlp has 1,200"""
MAX_METADATA = 1024**2
MAX_DIRECTORY = 2 * 1024**2
"""bytes of the list of files: yt-dlp's has 150,000"""
_PIECE = 64 * 1024
_END = struct.Struct("<4s8xI4xH")  # the end of the central directory (APPNOTE.TXT, 4.3.16)
_LOCATOR_SIZE = 20
"""bytes of what stands before that in an archive of the form for large files, zip64"""
_PIN = re.compile(r"\s*yt-dlp-ejs\s*==\s*([0-9A-Za-z.]+)\s*;\s*extra\s*==\s*['\"]default['\"]\s*")


class BadWheel(Exception):
    """The file is no wheel of the expected package, or none that Vidferry unpacks."""


@dataclass(frozen=True, slots=True)
class WheelInfo:
    """What a wheel says of itself."""

    version: str
    ejs_pin: str
    """the version of yt-dlp-ejs that its default extra pins; empty where there is none"""


def read_info(path: Path, package: str) -> WheelInfo:
    """What a wheel of that package (`yt-dlp`) says of itself; BadWheel."""
    folder = package.replace("-", "_")
    with _opened(path) as wheel:
        names = [
            each for each in wheel.infolist() if re.fullmatch(rf"{folder}-[^/]+\.dist-info/METADATA", each.filename)
        ]
        if len(names) != 1:
            raise BadWheel("it has no METADATA, or several")
        text = b"".join(_read(wheel, names[0], MAX_METADATA)).decode(errors="replace")
    headers = email.message_from_string(text)
    version = normalize(headers.get("Version", ""))
    if headers.get("Name", "").replace("_", "-").lower() != package or not is_version(version):
        raise BadWheel("it is of another package, or has no version")
    pins = [found[1] for line in headers.get_all("Requires-Dist", []) if (found := _PIN.fullmatch(line))]
    return WheelInfo(version, normalize(pins[0]) if pins and is_version(normalize(pins[0])) else "")


def unpack(path: Path, package: str, target: Path) -> None:
    """Unpacks the package's own folder below target, and nothing else of the wheel; BadWheel, OSError."""
    folder = package.replace("-", "_")
    left = MAX_UNPACKED
    with _opened(path) as wheel:
        for entry in wheel.infolist():
            _check_entry(entry)
            if entry.is_dir() or entry.filename.partition("/")[0] != folder:
                continue
            left -= BLOCK * len(entry.filename.split("/"))
            if left < 0:
                raise BadWheel("it unpacks to too many folders")
            to = target / entry.filename
            to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as written:
                for piece in _read(wheel, entry, left):
                    left -= len(piece)
                    written.write(piece)
    if not (target / folder / "__init__.py").is_file():
        raise BadWheel(f"it has no {folder}")


def read_wheel(path: Path) -> bytes:
    """All of its bytes; BadWheel where they are too many."""
    with path.open("rb") as file:
        content = file.read(MAX_WHEEL + 1)
    if len(content) > MAX_WHEEL:
        raise BadWheel(f"it has more than {MAX_WHEEL} bytes")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as wheel:
            if len(wheel.infolist()) > MAX_FILES:
                raise BadWheel(f"it has more than {MAX_FILES} files")
            yield wheel
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError,
            FileExistsError, NotADirectoryError, RuntimeError, ValueError, LookupError, OverflowError,
            struct.error) as error:  # fmt: skip
        raise BadWheel(str(error)) from error


def _check_directory(path: Path) -> None:
    """BadWheel where the list of files is too long to be read into memory, or the archive is an unusual one."""
    size = path.stat().st_size
    if size > MAX_WHEEL:
        raise BadWheel(f"it has more than {MAX_WHEEL} bytes")
    with path.open("rb") as file:
        file.seek(max(0, size - _LOCATOR_SIZE - _END.size))
        tail = file.read()
    signature, directory_size, comment_size = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6" or comment_size or tail[: -_END.size].startswith(b"PK\6\7"):
        raise BadWheel("it does not end as a plain zip archive does")
    if directory_size > MAX_DIRECTORY:
        raise BadWheel(f"its list of files has more than {MAX_DIRECTORY} bytes")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """BadWheel where its name leads out of a folder, or where it is anything but a plain file or a folder."""
    parts = entry.filename.removesuffix("/").split("/")
    name_is_bad = any(part in {"", ".", ".."} or not part.isprintable() or "\\" in part for part in parts)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name_is_bad or len(entry.filename) > 250 or kind not in {0, stat.S_IFREG, stat.S_IFDIR}:  # noqa: PLR2004
        raise BadWheel(f"it has an entry that is refused: {entry.filename[:100]!r}")
    if entry.flag_bits & 1 or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise BadWheel("it is encrypted, or compressed in an unusual way")


def _read(wheel: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    """The bytes of a file; BadWheel where there are more."""
    with wheel.open(entry) as file:
        while piece := file.read(_PIECE):
            most -= len(piece)
            if most < 0:
                raise BadWheel("it unpacks to too much")
            yield piece
